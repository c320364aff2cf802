/* A library that is loaded into a process before the C library. It makes file operations fail according to a
 * file that lists the faults.
 *
 * The environment variable KOAN_TEST_FAULTS contains the path of this file. Each line is a fault:
 * `CALL SUBSTRING ERRNO TIMES`. CALL is `open`, `link`, `sync` (of a file) or `syncdir` (of a directory).
 * SUBSTRING is a part of the path, or `*` for any path. TIMES is `once`, `second` (the first matching call
 * succeeds, the second one fails) or `always`. After a fault with `once` has occurred, its line is marked as
 * `done`, because Linux also reports a write error only once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns the error number of the first fault that matches a call, or 0. */
static int fault(const char *call, const char *path) {
    const char *file = getenv("KOAN_TEST_FAULTS");
    FILE *faults = file ? fopen(file, "r+") : NULL;
    char line[4096], name[64], part[2048], times[64];
    int number, result = 0;
    if (!faults) return 0;
    while (!result && fgets(line, sizeof line, faults)) {
        if (sscanf(line, "%63s %2047s %d %63s", name, part, &number, times) != 4) continue;
        if (strcmp(name, call) != 0) continue;
        if (strcmp(part, "*") != 0 && !strstr(path, part)) continue;
        if (strcmp(times, "second") == 0) {
            fseek(faults, -(long)strlen("second\n"), SEEK_CUR);
            fputs("once  ", faults);
            fclose(faults);
            return 0;
        }
        result = number;
        if (strcmp(times, "once") == 0) {
            fseek(faults, -(long)strlen(line), SEEK_CUR);
            fputs("done", faults);
        }
    }
    fclose(faults);
    return result;
}

/* Returns the error number with which the sync of an open file or directory fails, or 0. */
static int fault_of_descriptor(int fd) {
    char link[64], path[4096];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || fstat(fd, &status) != 0) return 0;
    path[length] = 0;
    return fault(S_ISDIR(status.st_mode) ? "syncdir" : "sync", path);
}

int fsync(int fd) {
    static int (*real)(int);
    int error = fault_of_descriptor(fd);
    if (error) { errno = error; return -1; }
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}

int link(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    int error = fault("link", to);
    if (error) { errno = error; return -1; }
    if (!real) real = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
    return real(from, to);
}

int linkat(int fromfd, const char *from, int tofd, const char *to, int flags) {
    static int (*real)(int, const char *, int, const char *, int);
    int error = fault("link", to);
    if (error) { errno = error; return -1; }
    if (!real) real = (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");
    return real(fromfd, from, tofd, to, flags);
}

/* Calls `open` or `open64` unless a fault matches. */
static int open_with(const char *name, const char *path, int flags, mode_t mode) {
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);
    int error = fault("open", path);
    if (error) { errno = error; return -1; }
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_with("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_with("open64", path, flags, mode);
}
