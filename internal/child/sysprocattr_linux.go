package child

import "syscall"

// sysProcAttr see to it that the program does not outlive us, whatever kills us.
func sysProcAttr(group bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: group, Pdeathsig: syscall.SIGKILL}
}
