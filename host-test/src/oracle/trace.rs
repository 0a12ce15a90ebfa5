//! What a policy asked, and what it was told.

use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// One question of a policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// The function of the contract: `request.header`, `log`.
    pub function: &'static str,
    /// What it was called with.
    pub arguments: Vec<Value>,
    /// What it returned; `null` for none, and for a function that returns nothing.
    pub answer: Value,
}

impl fmt::Display for Question {
    /// As in `request.header("x-tool") = "search"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<String> = self.arguments.iter().map(Value::to_string).collect();
        write!(f, "{}({}) = {}", self.function, arguments.join(", "), self.answer)
    }
}

/// The questions of the last `check`, in order. Clones show the same.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<Question>>>);

impl Trace {
    /// What was asked.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn push(&self, question: Question) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(question);
    }
}
