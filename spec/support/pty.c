/* SPDX-License-Identifier: MIT */
/* pty SCRIPT COMMAND [ARGS]: runs the command on a terminal of its own, as a
 * person would. Each line of SCRIPT is one step:
 *   >text   types the text; \n, \t, \e and \xHH as in C
 *   <text   waits until the command has written the text
 * Everything the command writes comes out, without returns and terminal control
 * sequences; its exit status is returned. 125 says that an awaited text did not
 * come within ten seconds. */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 10000, NOT_SEEN = 125 };

static char seen[1 << 20]; /* all the output */
static size_t nseen, matched;
static int terminal;

/* Is it text? Not in ESC [ ... letter. */
static bool is_text(char c) {
  static enum { TEXT, ESCAPE, SEQUENCE } state;
  switch (state) {
    case ESCAPE: state = c == '[' ? SEQUENCE : TEXT; return false;
    case SEQUENCE:
      if (isalpha((unsigned char)c)) state = TEXT;
      return false;
    default:
      if (c == '\033') state = ESCAPE;
      return c != '\033' && c != '\r';
  }
}

/* Copies what comes; false at the end or when nothing comes for so long. */
static bool pump(int ms) {
  struct pollfd p = {.fd = terminal, .events = POLLIN};
  char buffer[4096];
  if (poll(&p, 1, ms) <= 0 || sizeof seen - nseen < sizeof buffer) return false;
  ssize_t n = read(terminal, buffer, sizeof buffer);
  for (ssize_t i = 0; i < n; i++)
    if (is_text(buffer[i])) {
      putchar(buffer[i]);
      seen[nseen++] = buffer[i];
    }
  return n > 0;
}

static bool await(const char *text) {
  void *at;
  while ((at = memmem(seen + matched, nseen - matched, text, strlen(text))) ==
         NULL)
    if (!pump(WAIT_MS)) return false;
  matched = (size_t)((char *)at - seen) + strlen(text);
  return true;
}

static size_t unescape(char *s) {
  char *out = s, *start = s;
  for (; *s != '\0'; s++) {
    if (*s != '\\') {
      *out++ = *s;
      continue;
    }
    switch (*++s) {
      case 'n': *out++ = '\n'; break;
      case 't': *out++ = '\t'; break;
      case 'e': *out++ = '\033'; break;
      case 'x':
        *out++ = (char)strtol(s + 1, &s, 16);
        s--;
        break;
      default: *out++ = *s;
    }
  }
  *out = '\0';
  return (size_t)(out - start);
}

static bool play(FILE *script) {
  char line[4096];
  while (fgets(line, sizeof line, script) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    size_t n = unescape(line + 1);
    if (line[0] == '>') {
      if (write(terminal, line + 1, n) != (ssize_t)n) return false;
    } else if (line[0] != '<' || !await(line + 1)) {
      fprintf(stderr, "pty: never seen: %s\n", line + 1);
      return false;
    }
  }
  return true;
}

int main(int argc, char **argv) {
  FILE *script = argc > 2 ? fopen(argv[1], "r") : NULL;
  if (script == NULL)
    return fputs("usage: pty SCRIPT COMMAND [ARGS]\n", stderr), 2;
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  pid_t pid = forkpty(&terminal, NULL, NULL, &size);
  if (pid == 0) {
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  bool is_good = pid > 0 && play(script);
  if (is_good)
    while (pump(WAIT_MS))
      ;
  int status;
  close(terminal); /* SIGHUP to one that still runs */
  if (waitpid(pid, &status, 0) != pid || !is_good) return NOT_SEEN;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
