/* Only the tools that the token names: its claim `tools` is an array of them. */
#include "policy.h"

#include <string.h>

/* Strings of the contract have a length, and no zero at their end. */
#define TEXT(literal) ((policy_string_t){(uint8_t *)(literal), sizeof(literal) - 1})

static bool equals(policy_string_t left, policy_string_t right) {
    return left.len == right.len && memcmp(left.ptr, right.ptr, left.len) == 0;
}

/* Takes the prefix off the text, if it begins with it. */
static bool strip_prefix(policy_string_t *text, policy_string_t prefix) {
    if (text->len < prefix.len || memcmp(text->ptr, prefix.ptr, prefix.len) != 0) {
        return false;
    }
    *text = (policy_string_t){text->ptr + prefix.len, text->len - prefix.len};
    return true;
}

static policy_string_t first_segment(policy_string_t path) {
    size_t len = 0;
    while (len < path.len && path.ptr[len] != '/') {
        len++;
    }
    return (policy_string_t){path.ptr, len};
}

/* The claim `tools` at an index, as JSON pointer `/tools/7`. */
static bool tool_at(request_borrow_request_t request, uint32_t index, request_claim_t *claim) {
    uint8_t pointer[sizeof "/tools/4294967295"];
    size_t start = sizeof pointer;
    do {
        pointer[--start] = (uint8_t)('0' + index % 10);
        index /= 10;
    } while (index > 0);
    policy_string_t parent = TEXT("/tools/");
    start -= parent.len;
    memcpy(pointer + start, parent.ptr, parent.len);
    policy_string_t text = {pointer + start, sizeof pointer - start};
    return request_method_request_claim(request, &text, claim);
}

static bool is_named(request_borrow_request_t request, policy_string_t tool) {
    policy_string_t pointer = TEXT("/tools");
    request_claim_t tools, named;
    /* An object may have a member `0`, too. */
    if (!request_method_request_claim(request, &pointer, &tools) || tools.tag != REQUEST_CLAIM_ARRAY) {
        return false;
    }
    for (uint32_t index = 0; index < tools.val.array; index++) {
        if (tool_at(request, index, &named) && named.tag == REQUEST_CLAIM_TEXT && equals(named.val.text, tool)) {
            return true;
        }
    }
    return false;
}

static policy_verdict_t deny(policy_string_t code, policy_string_t message) {
    return (policy_verdict_t){.tag = TYPES_VERDICT_DENY, .val.deny = {code, message}};
}

static policy_verdict_t judge(request_borrow_request_t request) {
    policy_string_t path;
    request_method_request_path(request, &path);
    if (!strip_prefix(&path, TEXT("/v1/tools/"))) {
        return (policy_verdict_t){.tag = TYPES_VERDICT_ABSTAIN};
    }
    policy_string_t tool = first_segment(path);
    request_identity_t agent;
    if (!request_method_request_agent(request, &agent)) {
        return deny(TEXT("agent_missing"), TEXT("only agents use tools"));
    }
    if (!is_named(request, tool)) {
        return deny(TEXT("tool_not_allowed"), TEXT("the token does not name this tool"));
    }
    /* It is read after the call, so it cannot be a local. */
    static types_obligation_t audit;
    audit = (types_obligation_t){.tag = TYPES_OBLIGATION_AUDIT, .val.audit = {TEXT("tool"), tool}};
    return (policy_verdict_t){.tag = TYPES_VERDICT_ALLOW, .val.allow = {&audit, 1}};
}

void exports_policy_describe(policy_description_t *description) {
    *description = (policy_description_t){
        .name = TEXT("tool-claim"),
        .version = TEXT("0.1.0"),
        .summary = TEXT("denies tools that the token does not name"),
    };
}

bool exports_policy_configure(policy_string_t *settings, policy_list_problem_t *problems) {
    static policy_problem_t problem;
    if (equals(*settings, TEXT("{}"))) {
        return true;
    }
    problem.message = TEXT("this policy takes no settings");
    *problems = (policy_list_problem_t){&problem, 1};
    return false;
}

void exports_policy_check(request_borrow_request_t request, policy_verdict_t *verdict) {
    *verdict = judge(request);
}
