/* What a process inherited, printed by itself; compiled by the hand-off tests.
 *
 *   state_report ARG...           prints everything about itself that exec keeps
 *   state_report start PROG ARG... becomes odd in every way a parent can make a child, then executes PROG
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

static void quoted(const char *name, const char *bytes) {
  printf("%s: ", name);
  for (; *bytes; bytes++)
    *bytes < 32 || *bytes > 126 ? printf("\\x%02x", (unsigned char)*bytes) : putchar(*bytes);
  putchar('\n');
}

static void file(const char *path, const char *only) {
  char line[4096];
  FILE *f = fopen(path, "re");
  while (f && fgets(line, sizeof line, f))
    if (!only || strstr(only, strtok(strdup(line), ":\t ")))
      printf("%s: %s", path, line);
  if (f) fclose(f);
}

static void report(int argc, char **argv) {
  char text[4096];
  for (int i = 0; i < argc; i++) quoted("argument", argv[i]);
  for (char **entry = environ; *entry; entry++) quoted("environment", *entry);
  quoted("directory", getcwd(text, sizeof text));
  mode_t mask = umask(0);
  printf("umask: %03o\n", mask);
  for (int fd = 0; fd < 256; fd++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, text, sizeof text - 1);
    if (n < 0) continue;
    text[n] = 0;
    printf("descriptor %d: %s flags %o offset %ld\n", fd, text, fcntl(fd, F_GETFL), (long)lseek(fd, 0, SEEK_CUR));
  }
  file("/proc/self/status", "SigBlk SigIgn SigCgt SigPnd ShdPnd CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Uid Gid "
                            "Groups Seccomp THP_enabled CoreDumping untag_mask");
  for (int n = 1; n <= SIGRTMAX; n++) {
    struct sigaction now;
    if (sigaction(n, NULL, &now) == 0) printf("signal %d: %s\n", n, now.sa_handler == SIG_IGN ? "ignored" : "default");
  }
  for (int n = 0; n < RLIM_NLIMITS; n++) {
    struct rlimit limit;
    getrlimit(n, &limit);
    printf("limit %d: %llu %llu\n", n, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
  }
  for (int n = ITIMER_REAL; n <= ITIMER_PROF; n++) {
    struct itimerval timer;
    getitimer(n, &timer);
    printf("timer %d: %s\n", n, timer.it_value.tv_sec || timer.it_value.tv_usec ? "runs" : "off");
  }
  int subreaper = 0, death_signal = 0;
  prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
  prctl(PR_GET_PDEATHSIG, &death_signal);
  printf("dumpable %d keepcaps %d securebits %d subreaper %d deathsignal %d slack %d personality %x nice %d policy %d\n",
         prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS), subreaper, death_signal,
         prctl(PR_GET_TIMERSLACK), personality(0xffffffff), getpriority(PRIO_PROCESS, 0), sched_getscheduler(0));
  printf("leads its group %d its session %d\n", getpgrp() == getpid(), getsid(0) == getpid());
  printf("ioprio %ld\n", syscall(SYS_ioprio_get, 1, 0));
  file("/proc/self/comm", NULL);
  file("/proc/self/oom_score_adj", NULL);
  file("/proc/self/timens_offsets", NULL);
  file("/proc/self/task/self/children", NULL);
  snprintf(text, sizeof text, "/proc/self/task/%d/children", getpid());
  file(text, NULL);
}

static int start(char **argv) {
  static char *odd[] = {"MOCK_HOSTNAME=10.77.0.1", "PATH=/usr/bin:/bin", "TWICE=1", "EMPTY=", "NO_EQUALS_SIGN", "TWICE=2",
                        "=BEGINS", "BYTES=\xff\xfe\x80", "LD_BIND_NOW=1", "PYTHONPATH=/nonexistent", "PYTHONSTARTUP=/x",
                        "LC_ALL=xx_XX", "LINES=a\nb", "", "MOCK_TIMEOUT_SECONDS=10", NULL};
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGRTMIN + 3);
  sigprocmask(SIG_SETMASK, &blocked, NULL);
  signal(SIGHUP, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  struct rlimit limit = {97, 198};
  setrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 0;
  setrlimit(RLIMIT_CORE, &limit);
  dup2(open("/etc/passwd", O_RDONLY), 57);
  lseek(57, 5, SEEK_SET);
  umask(027);
  setpriority(PRIO_PROCESS, 0, 3);
  prctl(PR_SET_TIMERSLACK, 77777);
  execve(argv[0], argv, odd);
  perror(argv[0]);
  return 1;
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "start")) return start(argv + 2);
  report(argc, argv);
  return 0;
}
