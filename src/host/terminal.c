/* SPDX-License-Identifier: MIT */
#include "host/terminal.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/interrupt.h"

#ifdef KVMLUA_READLINE
#include <readline/history.h>
#include <readline/readline.h>
#endif

static struct sigaction old_sigint;

/* Ctrl-C: the line is given up, and a new one is begun. */
static enum kl_input clear(char **line) {
  free(*line);
  *line = NULL;
  kl_interrupted = 0;
  putchar('\n');
  return KL_CLEARED;
}

/* ---- plain lines --------------------------------------------------------- */

static enum kl_input readplain(const char *prompt, char **line) {
  size_t capacity = 0;
  if (isatty(STDIN_FILENO)) fputs(prompt, stdout);
  fflush(stdout);
  ssize_t n = getline(line, &capacity, stdin);
  if (n >= 0) {
    if (n > 0 && (*line)[n - 1] == '\n') (*line)[n - 1] = '\0';
    return KL_LINE;
  }
  if (kl_interrupted) {
    clearerr(stdin);
    return clear(line);
  }
  free(*line);
  return KL_END;
}

#ifdef KVMLUA_READLINE

/* ---- readline ------------------------------------------------------------ */

static volatile sig_atomic_t continued; /* after Ctrl-Z and fg */
static struct sigaction old_sigcont;
static char *history_file;
static char *taken;
static bool is_taken;

static void take(char *line) {
  rl_callback_handler_remove(); /* the terminal is the script's again */
  taken = line;
  is_taken = true;
}

static void on_sigcont(int sig) {
  (void)sig;
  continued = 1;
}

/* Waits for input or a signal. Signals get in while it waits and not before,
 * so that none slips in between the look at it and the wait. */
static bool waitinput(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGINT);
  sigaddset(&block, SIGCONT);
  sigprocmask(SIG_BLOCK, &block, &old);
  bool is_ready = !rl_pending_signal() && !kl_interrupted && !continued &&
                  ppoll(&input, 1, NULL, &old) > 0;
  sigprocmask(SIG_SETMASK, &old, NULL);
  return is_ready;
}

static enum kl_input readedited(const char *prompt, char **line) {
  is_taken = false;
  taken = NULL;
  continued = 0;
  rl_callback_handler_install(prompt, take);
  while (!is_taken && !kl_interrupted) {
    if (waitinput()) rl_callback_read_char();
    rl_check_signals(); /* may stop the process, or call our handlers */
    if (continued && !is_taken) {
      continued = 0;
      rl_forced_update_display();
    }
  }
  if (!is_taken) rl_callback_handler_remove();
  *line = taken;
  if (kl_interrupted) return clear(line);
  if (taken == NULL) putchar('\n');
  return taken != NULL ? KL_LINE : KL_END;
}

/* ---- completion ---------------------------------------------------------- */

static kl_completer *completer;
static void *completer_context;

static bool isword(int c) {
  return isalnum(c) || c == '_' || c == '.' || c == ':';
}

static char *next_match(const char *word, int state) {
  static int i;
  i = state == 0 ? 0 : i + 1;
  return completer(completer_context, word, i);
}

static char **complete(const char *word, int start, int end) {
  (void)start;
  (void)end;
  rl_attempted_completion_over = 1; /* no names of files */
  rl_completion_append_character = '\0';
  return rl_completion_matches(word, next_match);
}

/* Shows the last part of each: "rip" of "cpu.regs.rip". */
static void showmatches(char **matches, int n, int width) {
  size_t skip = strlen(matches[0]);
  while (skip > 0 && strchr(".:", matches[0][skip - 1]) == NULL) skip--;
  for (int i = 0; i <= n; i++)
    memmove(matches[i], matches[i] + skip, strlen(matches[i] + skip) + 1);
  rl_display_match_list(matches, n, width - (int)skip);
  rl_forced_update_display();
}

/* Behind a word it completes, elsewhere it is a tab. */
static int on_tab(int count, int key) {
  bool is_word =
      rl_point > 0 && isword((unsigned char)rl_line_buffer[rl_point - 1]);
  if (!is_word || completer == NULL) return rl_insert(count, key);
  if (rl_last_func == on_tab) rl_last_func = rl_complete; /* it shows all */
  return rl_complete(count, key);
}

static void opencompletion(void) {
  static char breaks[256];
  char *end = breaks;
  for (int c = 1; c < 128; c++)
    if (!isword(c)) *end++ = (char)c;
  rl_completer_word_break_characters = breaks;
  rl_attempted_completion_function = complete;
  rl_completion_display_matches_hook = showmatches;
  rl_sort_completion_matches = 0;
  rl_completion_query_items = -1; /* a question could not be given up */
  rl_variable_bind("page-completions", "off");
  rl_bind_key('\t', on_tab);
}

bool kl_setcompleter(kl_completer *f, void *context) {
  completer = f;
  completer_context = context;
  return true;
}

/* ---- history ------------------------------------------------------------- */

static void openhistory(void) {
  const char *home = getenv("HOME");
  if (home == NULL || asprintf(&history_file, "%s/.kvmlua_history", home) < 0) {
    history_file = NULL;
    return;
  }
  history_comment_char = '#'; /* time stamps part entries of several lines */
  history_write_timestamps = 1;
  stifle_history(1000);
  read_history(history_file);
}

static void openreadline(void) {
  rl_readline_name = "kvmlua";
  rl_persistent_signal_handlers = 1;
  struct sigaction action = {.sa_handler = on_sigcont};
  sigemptyset(&action.sa_mask);
  sigaction(SIGCONT, &action, &old_sigcont);
  opencompletion();
  openhistory();
}

void kl_remember(const char *text) {
  HIST_ENTRY *last = history_length > 0
                         ? history_get(history_base + history_length - 1)
                         : NULL;
  if (last != NULL && strcmp(last->line, text) == 0) return;
  add_history(text);
  if (history_file != NULL && append_history(1, history_file) != 0)
    write_history(history_file);
}

const char *kl_editor(void) {
  static char name[32];
  snprintf(name, sizeof name, "readline %s", rl_library_version);
  return name;
}

static void closereadline(void) {
  sigaction(SIGCONT, &old_sigcont, NULL);
  if (history_file != NULL) history_truncate_file(history_file, 1000);
  free(history_file);
  history_file = NULL;
}

enum kl_input kl_readline(const char *prompt, char **line) {
  fflush(stdout);
  return isatty(STDIN_FILENO) ? readedited(prompt, line)
                              : readplain(prompt, line);
}

#else

static void openreadline(void) {}

static void closereadline(void) {}

const char *kl_editor(void) {
  return "no readline";
}

void kl_remember(const char *text) {
  (void)text;
}

bool kl_setcompleter(kl_completer *f, void *context) {
  (void)f;
  (void)context;
  return false;
}

enum kl_input kl_readline(const char *prompt, char **line) {
  return readplain(prompt, line);
}

#endif

void kl_openterminal(void) {
  kl_catchsigint(&old_sigint);
  if (isatty(STDIN_FILENO)) openreadline();
}

void kl_closeterminal(void) {
  if (isatty(STDIN_FILENO)) closereadline();
  sigaction(SIGINT, &old_sigint, NULL);
}
