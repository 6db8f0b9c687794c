package subprocess

import "syscall"

// sysProcAttr returns attributes that kill the program when this process dies, however it dies.
func sysProcAttr(group bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: group, Pdeathsig: syscall.SIGKILL}
}
