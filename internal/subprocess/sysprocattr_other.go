//go:build !linux

package subprocess

import "syscall"

func sysProcAttr(group bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: group} }
