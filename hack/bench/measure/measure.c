/* Runs a program and prints its measurements as the last line on file descriptor 3:
 * wall, user and system time in microseconds, peak resident memory in kB, exit status.
 * It is a separate small program because a child process inherits its parent's peak
 * memory between fork and exec. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(struct timeval t) { return t.tv_sec * 1000000LL + t.tv_usec; }

int main(int argc, char **argv) {
	struct timespec from, to;
	struct rusage used;
	int status;
	if (argc < 2) return 2;
	clock_gettime(CLOCK_MONOTONIC, &from);
	pid_t pid = vfork();
	if (pid == 0) {
		close(3);
		execv(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0) return 2;
	clock_gettime(CLOCK_MONOTONIC, &to);
	long long wall = (to.tv_sec - from.tv_sec) * 1000000LL + (to.tv_nsec - from.tv_nsec) / 1000;
	dprintf(3, "%lld %lld %lld %ld %d\n", wall, microseconds(used.ru_utime), microseconds(used.ru_stime), used.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
