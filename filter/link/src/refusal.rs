//! Why a component is not linked, or what was linked is not handed out.

/// Why the linker refuses a component. The message says what is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no WebAssembly at all.
    #[error("the file is no WebAssembly: a policy is a component in the binary format (`.wasm`)")]
    NotWebAssembly,

    /// A core module, which says nothing of the types that it speaks.
    #[error(
        "the file is a core module, not a component: build it with `mandate policy build`, or turn it into one with \
         `wasm-tools component new`"
    )]
    CoreModule,

    /// More bytes than any policy needs.
    #[error(
        "the component has {bytes} bytes, and may have {bound}: build it with optimisation and without debug \
         information"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What would be accepted.
        bound: usize,
    },

    /// It breaks a rule of WebAssembly, or uses a proposal that policies may not use.
    #[error("the component is not valid at byte {offset}: {problem}")]
    Invalid {
        /// Where, in bytes from the beginning of the component.
        offset: u64,
        /// What the validator says.
        problem: String,
    },

    /// It imports what policies are not granted.
    #[error("the component imports `{name}`, which is not granted to policies: {hint}")]
    NotGranted {
        /// The import's name.
        name: String,
        /// What to do instead.
        hint: &'static str,
    },

    /// It was built for a version of the contract that this linker does not serve.
    #[error(
        "the component imports `{name}`, and this linker serves version {ours} of the contract: build the policy for \
         that version, or link it with a newer release"
    )]
    Version {
        /// The import's name, with the version that the component was built for.
        name: String,
        /// The newest version that is served.
        ours: String,
    },

    /// It imports an item that is not in the contract's interface.
    #[error("the component imports `{item}` of `{interface}`, which the contract does not have")]
    UnknownImport {
        /// The interface, as the component names it.
        interface: String,
        /// The function or type.
        item: String,
    },

    /// It exports more than the contract asks for.
    #[error("the component exports `{name}`, which the contract does not know: leave it out")]
    UnknownExport {
        /// The export's name.
        name: String,
    },

    /// It does not export what the contract asks for.
    #[error("the component does not export `{name}`: the contract asks for it")]
    MissingExport {
        /// The export's name.
        name: String,
    },

    /// A function or type is not the contract's.
    #[error("the component has a type of its own for {item}: {difference}")]
    Type {
        /// Which function or type.
        item: String,
        /// Where the two differ, and how.
        difference: String,
    },

    /// It conforms to the contract, and its insides cannot be linked.
    #[error("its core modules are wired in a way that this linker does not know: {0}")]
    Wiring(#[from] Wiring),

    /// Its core module has something that cannot be contained.
    #[error(
        "the policy's core module cannot be contained: {0}; policies are made of WebAssembly 1.0 with multiple \
             values, sign extension, bulk memory and saturating conversions"
    )]
    Module(String),

    /// The linker's own copy of the contract is broken.
    #[error("the contract that this linker was built with cannot be read: {0}")]
    Contract(String),
}

/// What is wrong with a finished bundle. No component can bring this about unless the linker has a defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// It breaks a rule of WebAssembly.
    #[error("it is not valid: {0}")]
    Invalid(String),

    /// It does not begin with the types of the filter, by whose numbers imports and exports say what they are.
    #[error("its types do not begin with the filter's")]
    Types,

    /// It imports something that the filter does not, or not what the filter imports at this place.
    #[error(
        "its import {position}, `{module}` `{name}`, is not the filter's, or not of its type, or missing"
    )]
    Import {
        /// Which one, from 0: of the bundle, or of the filter if the bundle has fewer.
        position: usize,
        /// The import's first name.
        module: String,
        /// The import's second name.
        name: String,
    },

    /// It exports something that the filter does not, or lacks what the filter exports.
    #[error("its exports are not the filter's")]
    Exports,

    /// It runs another function when it is instantiated than the filter does.
    #[error("its start function is not the filter's")]
    Start,
}

impl From<wasmparser::Error> for Refusal {
    fn from(error: wasmparser::Error) -> Self {
        let problem = printable(&error.message().replace('\n', ": "), 400);
        Self::Invalid { offset: error.offset(), problem }
    }
}

/// What is unusual about the way in which a component puts its core modules together.
///
/// The linker merges one core module, so it follows every import of that module to a function of the contract, and
/// refuses whatever it cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wiring {
    /// Something beside core modules, their instances, and the lifting and lowering of functions.
    #[error("it has {0}")]
    Unsupported(&'static str),

    /// An option of `canon lift` or `canon lower` that policies may not use.
    #[error(
        "`{function}` is lifted or lowered with {option}: build it with UTF-8 strings and the synchronous ABI"
    )]
    CanonicalOption {
        /// The function of the contract.
        function: String,
        /// The option.
        option: &'static str,
    },

    /// A core module that does more than pass calls on.
    #[error(
        "core module {module} has {what}, beside the module that holds the policy: link all code into one module, and \
         build for a target without an adapter, such as `wasm32-unknown-unknown`"
    )]
    SecondModule {
        /// Its index.
        module: u32,
        /// What it has.
        what: &'static str,
    },

    /// A core module that has no instance, or several.
    #[error("core module {module} is instantiated {times} times: each has to be instantiated once")]
    Instances {
        /// Its index.
        module: u32,
        /// How many instances it has.
        times: usize,
    },

    /// The exports of the component come from different instances.
    #[error("`{export}` is lifted from another core instance than the others")]
    SeveralPolicies {
        /// The export that differs from those before it.
        export: String,
    },

    /// An export of the component that is not code of the policy.
    #[error("`{function}` is no function that the policy's core module defines and exports")]
    NotCode {
        /// The export, or what belongs to it.
        function: String,
    },

    /// The policy's module imports a memory, table, global or tag.
    #[error("the policy's core module imports {kind}, `{module}` `{name}`: it has to define its own")]
    SharedState {
        /// What kind of thing it imports.
        kind: &'static str,
        /// The import's first name.
        module: String,
        /// The import's second name.
        name: String,
    },

    /// An import that does not lead to a function of the contract.
    #[error("the import `{module}` `{name}` of the policy's core module {problem}")]
    Import {
        /// The import's first name.
        module: String,
        /// The import's second name.
        name: String,
        /// Where it leads.
        problem: ImportProblem,
    },

    /// The functions of the contract do not all see the same memory, or the same allocator.
    #[error("`{function}` is lifted or lowered with {what} that is not the policy's one and only")]
    SharedAbi {
        /// The function of the contract.
        function: String,
        /// A memory, or a `realloc`.
        what: &'static str,
    },

    /// A table that passes calls on is filled in a way that cannot be followed.
    #[error("core module {module} fills a table in an unknown way: {what}")]
    Table {
        /// The index of the module whose element segment it is.
        module: u32,
        /// What is wrong with it.
        what: &'static str,
    },

    /// A start function that does more than call functions of the policy.
    #[error(
        "the start function of core module {module} does more than to call exports of the policy's core module"
    )]
    Start {
        /// The module's index.
        module: u32,
    },

    /// More links in a chain than any toolchain makes.
    #[error("a function is passed on through more than {bound} instances")]
    TooLong {
        /// How many are followed.
        bound: usize,
    },
}

/// Where an import of the policy's core module leads instead of to a function of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportProblem {
    /// To code in another module.
    #[error("leads to code in another core module, and not to a function of the contract")]
    Code,
    /// To the policy itself.
    #[error("leads back to the policy itself")]
    Itself,
    /// Into a table, where there is nothing.
    #[error("leads to slot {0} of a table, which nothing fills")]
    EmptySlot(u32),
    /// To the destructor of a resource that is not the request.
    #[error("drops a resource that is not the contract's request")]
    OtherResource,
    /// To a function, through a signature that is not its own.
    #[error("has another signature than the function of the contract that it leads to")]
    Signature,
}

/// A name that a component chose, fit for a message.
pub(crate) fn shown(name: &str) -> String {
    printable(name, 80)
}

/// A text that can neither fill a terminal nor steer it.
fn printable(text: &str, longest: usize) -> String {
    let mut printable = String::new();
    for character in text.chars().take(longest) {
        match character {
            '"' | '\'' => printable.push(character),
            _ => printable.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(longest).is_some() {
        printable.push('…');
    }
    printable
}
