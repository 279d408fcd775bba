/* SPDX-License-Identifier: MIT */
#include "host/options.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: %s [options] [script [args]]\n"
    "  -e CODE          run the Lua code\n"
    "  -l MOD           require MOD into the global MOD\n"
    "  -l NAME=MOD      require MOD into the global NAME\n"
    "  -i               prompt after the script\n"
    "  -v               show the version\n"
    "  -E               ignore environment variables\n"
    "  -W               turn warnings on\n"
    "  --               end of options\n"
    "  -                end of options, run stdin\n"
    "  --info[=json]    show this machine's KVM: backend, capabilities\n"
    "  --timeout SECS   stop script and guest after SECS, with status 124\n"
    "  --trace[=FILE]   show every ioctl and every exit\n"
    "  --calltree[=FILE]  show what the kernel did for each ioctl\n"
    "  --version        show the version of everything\n"
    "  --help           show this text\n"
    "Without a script: a prompt on a terminal, or else stdin is the script.\n"
    "Exit status: 0, 1 script error, 2 usage, 3 no KVM, 124 timeout.\n"
    "Environment: LUA_INIT, LUA_PATH, LUA_CPATH as lua's; KVMLUA_PATH: a\n"
    "directory whose kvm/*.lua take the place of the embedded ones.\n";

void kl_printusage(const char *program, FILE *f) {
  fprintf(f, usage, program);
}

static bool fail(const struct kl_options *o, const char *what,
                 const char *arg) {
  fprintf(stderr, "%s: %s '%s' (see '%s --help')\n", o->program, what, arg,
          o->program);
  return false;
}

static void addstep(struct kl_options *o, int kind, const char *text) {
  o->steps[o->nsteps].kind = kind;
  o->steps[o->nsteps++].text = text;
}

/* -x: *i is moved over an argument of its own. */
static bool shortoption(struct kl_options *o, char **argv, int *i) {
  const char *arg = argv[*i];
  if (arg[1] == 'e' || arg[1] == 'l') {
    const char *text = arg + 2;
    if (*text == '\0') {
      text = argv[*i + 1];
      if (text == NULL || *text == '-')
        return fail(o, "missing argument after", arg);
      ++*i;
    }
    addstep(o, arg[1] == 'e' ? KL_EXECUTE : KL_REQUIRE, text);
    o->has_code |= arg[1] == 'e';
    return true;
  }
  if (arg[1] == '\0' || arg[2] != '\0') return fail(o, "unknown option", arg);
  switch (arg[1]) {
    case 'i': o->interactive = o->version = true; return true;
    case 'v': o->version = true; return true;
    case 'E': o->ignore_env = true; return true;
    case 'W': addstep(o, KL_WARN, NULL); return true;
    default: return fail(o, "unknown option", arg);
  }
}

static bool settimeout(struct kl_options *o, const char *text) {
  char *end;
  o->timeout = strtod(text, &end);
  if (end == text || *end != '\0' || !(o->timeout > 0) || o->timeout > 1e9)
    return fail(o, "--timeout wants a positive number of seconds, got", text);
  return true;
}

/* The value in --name=value, "" in --name, NULL when arg is another. */
static const char *named(const char *arg, const char *name) {
  size_t n = strlen(name);
  if (strncmp(arg, name, n) != 0) return NULL;
  return arg[n] == '=' ? arg + n + 1 : arg[n] == '\0' ? arg + n : NULL;
}

static bool longoption(struct kl_options *o, char **argv, int *i) {
  const char *arg = argv[*i], *value;
  if (strcmp(arg, "--help") == 0) {
    o->help = true;
  } else if (strcmp(arg, "--version") == 0) {
    o->long_version = true;
  } else if ((value = named(arg, "--info")) != NULL) {
    o->info = *value == '\0' ? "text" : value;
    if (strcmp(o->info, "text") != 0 && strcmp(o->info, "json") != 0)
      return fail(o, "--info shows text or json, not", value);
  } else if ((value = named(arg, "--trace")) != NULL) {
    o->trace = value;
  } else if ((value = named(arg, "--calltree")) != NULL) {
    o->calltree = value;
  } else if ((value = named(arg, "--timeout")) != NULL) {
    if (*value == '\0' && (value = argv[++*i]) == NULL)
      return fail(o, "missing argument after", arg);
    return settimeout(o, value);
  } else {
    return fail(o, "unknown option", arg);
  }
  return true;
}

bool kl_parseoptions(int argc, char **argv, struct kl_options *o) {
  memset(o, 0, sizeof *o);
  o->program = argc > 0 && *argv[0] != '\0' ? argv[0] : "kvmlua";
  o->steps = calloc((size_t)argc + 1, sizeof *o->steps);
  if (o->steps == NULL) return fail(o, "not enough memory for", "options");
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; i++) {
    if (argv[i][1] == '\0') {
      o->is_stdin = true;
      break;
    }
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    bool is_long = argv[i][1] == '-';
    if (!(is_long ? longoption : shortoption)(o, argv, &i)) return false;
  }
  o->script = i < argc ? i : argc;
  return true;
}

void kl_freeoptions(struct kl_options *o) {
  free(o->steps);
}
