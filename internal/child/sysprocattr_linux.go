package child

import "syscall"

// attributes see to it that the program does not outlive us, whatever kills us.
func attributes(group bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: group, Pdeathsig: syscall.SIGKILL}
}
