/* SPDX-License-Identifier: MIT */
/* Lines from a terminal, with editing and a history where there is readline,
 * plain ones otherwise and from a pipe. Knows no Lua. */
#ifndef KL_HOST_TERMINAL_H
#define KL_HOST_TERMINAL_H

#include <stdbool.h>

enum kl_input {
  KL_LINE,    /* *line is the caller's to free */
  KL_CLEARED, /* Ctrl-C: the line is given up */
  KL_END,     /* Ctrl-D */
};

/* From open to close SIGINT gives up the line and never ends the process. */
void kl_openterminal(void);
void kl_closeterminal(void);

/* The prompt is shown on terminals only. */
enum kl_input kl_readline(const char *prompt, char **line);

/* The i-th of the words that a word may become, for the caller to free, or
 * NULL. i counts from 0, and 0 comes first. */
typedef char *kl_completer(void *context, const char *word, int i);

/* Has the Tab key complete. False where lines are not edited: it never will. */
bool kl_setcompleter(kl_completer *completer, void *context);

/* What edits the lines, for people: "readline 8.2". */
const char *kl_editor(void);

/* Adds to the history: in memory, and in ~/.kvmlua_history. */
void kl_remember(const char *text);

#endif
