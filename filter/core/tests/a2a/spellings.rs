//! Whatever a path or a message is changed to, it does not pass for a method that is not listed.

use crate::{Sent, call, decide, only, rest};
use mandate_core::config::A2aMethod;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A text, changed in ways that servers may see through.
fn variants(text: &'static str) -> impl Strategy<Value = String> {
    let change = prop_oneof![
        Just(String::new()),
        "[A-Za-z:/._%~+-]",
        Just("%3A".to_owned()),
        Just("%2f".to_owned()),
        Just("//".to_owned()),
        Just("/../".to_owned()),
        Just("\u{17f}".to_owned()),
    ];
    let at = 0..=text.len();
    (proptest::collection::vec((at, change, 0_usize..2), 0..3), 0..3).prop_map(move |(changes, case)| {
        let mut text = match case {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            _ => text.to_owned(),
        };
        for (at, change, replaced) in changes {
            let at = at.min(text.len());
            if text.is_char_boundary(at) {
                let rest = text.split_off(at);
                let rest = rest.get(replaced.min(rest.len())..).unwrap_or_default();
                text.push_str(&change);
                text.push_str(rest);
            }
        }
        text
    })
}

/// What a server that is as lenient as any executes at a path, apart from what is in the body.
fn lenient_method(http: &str, path: &str) -> Option<A2aMethod> {
    let path = path.split('?').next().unwrap();
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().to_lowercase();
    let decoded = decoded.replace('\u{17f}', "s");
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => _ = segments.pop(),
            other => segments.push(other),
        }
    }
    match (http, segments.as_slice()) {
        ("POST", [.., "message:stream"]) => Some(A2aMethod::SendStreamingMessage),
        ("POST", [.., "tasks", last]) if last.ends_with(":cancel") => Some(A2aMethod::CancelTask),
        ("POST", [.., "tasks", _, "pushnotificationconfigs"]) => Some(A2aMethod::CreatePushConfig),
        ("DELETE", [.., "tasks", _, "pushnotificationconfigs", _]) => Some(A2aMethod::DeletePushConfig),
        ("GET", [.., "extendedagentcard"]) => Some(A2aMethod::GetExtendedAgentCard),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// With everything but these methods admitted, no path passes at which any server would execute one of them.
    #[test]
    fn no_spelling_of_a_path_passes_for_a_method_that_is_not_listed(
        (http, path) in prop_oneof![
            variants("/message:stream").prop_map(|path| ("POST", path)),
            variants("/v1/tasks/t1:cancel").prop_map(|path| ("POST", path)),
            variants("/tasks/t1/pushNotificationConfigs").prop_map(|path| ("POST", path)),
            variants("/x/tasks/t1/pushNotificationConfigs/c1").prop_map(|path| ("DELETE", path)),
            variants("/extendedAgentCard").prop_map(|path| ("GET", path)),
        ],
        envelope in any::<bool>(),
    ) {
        let mut gate =
            only(["SendMessage", "List*", "SubscribeToTask", "GetTask", "GetTaskPushNotificationConfig"]);
        let sent = match envelope && http == "POST" {
            true => Sent { path: format!("/agent{path}"), ..call("GetTask", json!({ "id": "t1" })) },
            false => rest(http, &path, (http == "POST").then(|| json!({}))),
        };
        let executed = lenient_method(http, &sent.path);
        if decide(&mut gate, sent).reason().is_none() {
            prop_assert_eq!(executed, None, "{} {}", http, path);
        }
    }

    /// Nor does any spelling of a method's name, or of the members of a message.
    #[test]
    fn no_spelling_of_a_message_passes_for_a_method_that_is_not_listed(
        name in prop_oneof![variants("CancelTask"), variants("tasks/cancel")],
        method in variants("method"),
        second in variants("method"),
    ) {
        let mut gate = only(["GetTask", "SendMessage"]);
        let mut body = Map::new();
        body.insert("jsonrpc".to_owned(), json!("2.0"));
        body.insert("id".to_owned(), json!(1));
        body.insert(method, json!("GetTask"));
        body.insert(second.clone(), json!(name));
        let sent = rest("POST", "", Some(Value::Object(body.clone())));
        if decide(&mut gate, sent).reason().is_none() {
            // A member of another name, which no server reads.
            prop_assert_eq!(&body["method"], &json!("GetTask"));
            let lenient = second.to_lowercase().replace('\u{17f}', "s");
            prop_assert_ne!(lenient, "method");
        }
    }
}
