/* SPDX-License-Identifier: MIT */
/* The command line of kvmlua: lua's, and a few long options. */
#ifndef KL_HOST_OPTIONS_H
#define KL_HOST_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

/* What is done before the script, in the order given. */
struct kl_step {
  enum { KL_EXECUTE, KL_REQUIRE, KL_WARN } kind;
  const char *text; /* the statement; "mod" or "global=mod" */
};

struct kl_options {
  const char *program; /* argv[0], for messages */
  int script;          /* index in argv; argc: none */
  bool is_stdin;       /* the script is "-" */
  bool interactive, version, help, ignore_env;
  bool long_version;            /* --version */
  const char *info;             /* "text", "json" or NULL */
  const char *trace, *calltree; /* a file, "" for stderr, NULL: off */
  double timeout;               /* seconds; 0: none */
  bool has_code;                /* there was an -e */
  struct kl_step *steps;
  int nsteps;
};

/* Reads the command line. The strings stay argv's; kl_freeoptions frees the
 * rest. On an error says so on stderr and returns false. */
bool kl_parseoptions(int argc, char **argv, struct kl_options *o);
void kl_freeoptions(struct kl_options *o);

void kl_printusage(const char *program, FILE *f);

#endif
