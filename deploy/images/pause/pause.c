/* Process 1 of a pod: waits to be told to end, and collects orphans. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int number) {
  (void)number;
  _exit(0);
}

static void collect(int number) {
  (void)number;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

int main(int count, char **arguments) {
  struct sigaction action;
  if (count > 1 && strcmp(arguments[1], "--version") == 0) return puts("amas-pause 1") < 0;
  memset(&action, 0, sizeof action);
  action.sa_handler = end;
  if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0) return 1;
  action.sa_handler = collect;
  action.sa_flags = SA_NOCLDSTOP;
  if (sigaction(SIGCHLD, &action, NULL) != 0) return 1;
  for (;;) pause();
}
