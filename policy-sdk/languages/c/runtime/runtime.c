/*
 * As much of a C library as policies need.
 *
 * Every call begins with the memory that `configure` left, so what a call allocates is gone when it ends, and nothing is
 * ever freed. Memory that cannot be had ends the call, which denies the request.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The strictest of the contract's types. */
#define ALIGNMENT ((size_t)8)
#define PAGE ((size_t)65536)

struct block {
    _Alignas(ALIGNMENT) size_t size;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

/* Where the linker has placed everything else, aligned to 16. */
extern unsigned char __heap_base[];

static uintptr_t top = (uintptr_t)__heap_base;

void *malloc(size_t size) {
    uintptr_t end = 0;
    if (__builtin_add_overflow(top, sizeof(struct block) + ALIGNMENT - 1, &end) ||
        __builtin_add_overflow(end, size, &end)) {
        return NULL;
    }
    end &= ~(ALIGNMENT - 1);
    size_t have = __builtin_wasm_memory_size(0);
    size_t need = end / PAGE + (end % PAGE != 0);
    if (need > have && __builtin_wasm_memory_grow(0, need - have) == SIZE_MAX) {
        return NULL;
    }
    struct block *block = (struct block *)top;
    block->size = size;
    top = end;
    return block->bytes;
}

void *realloc(void *old, size_t size) {
    void *new = malloc(size);
    if (old != NULL && new != NULL) {
        size_t had = ((const struct block *)((uintptr_t)old - sizeof(struct block)))->size;
        memcpy(new, old, had < size ? had : size);
    }
    return new;
}

void free(void *block) {
    (void)block;
}

_Noreturn void abort(void) {
    __builtin_trap();
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    unsigned char *target = to;
    const unsigned char *source = from;
    while (size-- > 0) {
        *target++ = *source++;
    }
    return to;
}

void *memset(void *to, int byte, size_t size) {
    unsigned char *target = to;
    while (size-- > 0) {
        *target++ = (unsigned char)byte;
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t size) {
    const unsigned char *a = left, *b = right;
    for (; size > 0; size--, a++, b++) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *text) {
    size_t len = 0;
    while (text[len] != 0) {
        len++;
    }
    return len;
}
