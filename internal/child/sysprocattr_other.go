//go:build !linux

package child

import "syscall"

func sysProcAttr(group bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: group} }
