//! Chains at random: those that narrow are accepted, and of those that widen at one place that place is named.

use crate::made::{Chain, grant};
use crate::support::{NOW_S, decide};
use crate::{gate, request, why};
use mandate_core::reason::Reason;
use proptest::prelude::*;
use serde_json::{Value, json};

const ORDER: [&str; 4] = ["none", "internal", "partner", "any"];

/// What one link grants, of each type of constraint one.
#[derive(Debug, Clone)]
struct Granted {
    scopes: Vec<String>,
    max: u32,
    min: u32,
    /// How many of [`VALUES`].
    one_of: usize,
    not_one_of: usize,
    prefix: String,
    rank: usize,
    exp: u64,
    max_depth: Option<u64>,
}

const VALUES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

impl Granted {
    fn root() -> Self {
        let scopes = ["crm.*", "tickets.read", "mail.send", "User.Read", "files.a.*"];
        Self {
            scopes: scopes.map(str::to_owned).into(),
            max: 1_000_000,
            min: 10,
            one_of: 6,
            not_one_of: 0,
            prefix: "/".to_owned(),
            rank: 3,
            exp: NOW_S + 3000,
            max_depth: Some(8),
        }
    }

    /// The same or less, as `by` says.
    fn narrowed(&self, by: &[u8; 10]) -> Self {
        let few = |index: usize| usize::from(by[index] % 2);
        let mut scopes = self.scopes.clone();
        if scopes.len() > 1 {
            scopes.truncate(scopes.len() - few(0));
        }
        if let Some(scope) = scopes.iter_mut().find(|scope| scope.ends_with(".*") && !by[1].is_multiple_of(3))
        {
            let prefix = scope.trim_end_matches('*').to_owned();
            *scope =
                if by[1] % 3 == 1 { format!("{prefix}x{}.*", by[1]) } else { format!("{prefix}y{}", by[1]) };
        }
        Self {
            scopes,
            max: self.max - u32::from(by[2]),
            min: self.min + u32::from(by[3]),
            one_of: self.one_of.saturating_sub(few(4)),
            not_one_of: (self.not_one_of + few(5)).min(VALUES.len()),
            prefix: format!("{}{}", self.prefix, "p/".repeat(few(6))),
            rank: self.rank.saturating_sub(few(7)),
            exp: self.exp - u64::from(by[8]),
            max_depth: [None, self.max_depth][few(9)],
        }
    }

    fn claims(&self, claims: &mut Value) {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let constraints = json!([
            { "key": "rows", "max": self.max },
            { "key": "age", "min": self.min },
            { "key": "region", "one_of": VALUES[..self.one_of] },
            { "key": "table", "not_one_of": VALUES[..self.not_one_of] },
            { "key": "path", "prefix": self.prefix },
            { "key": "egress", "rank": ORDER[self.rank], "order": ORDER },
        ]);
        claims["authorization_details"] = grant(&scopes, constraints);
        claims["exp"] = json!(self.exp);
        match self.max_depth {
            Some(depth) => claims["del_max_depth"] = json!(depth),
            None => _ = claims.as_object_mut().unwrap().remove("del_max_depth"),
        }
    }
}

fn chain(steps: &[[u8; 10]]) -> Chain {
    let mut granted = Granted::root();
    Chain::of(steps.len() + 1).with(|links| {
        granted.claims(&mut links[0].claims);
        for (by, link) in steps.iter().zip(&mut links[1..]) {
            granted = granted.narrowed(by);
            granted.claims(&mut link.claims);
        }
    })
}

/// Makes one link grant more than the one before it, in one way.
fn widen(claims: &mut Value, parent: &Value, way: usize) {
    let before = parent["authorization_details"][0].clone();
    let detail = &mut claims["authorization_details"][0];
    let scopes = detail["scopes"].as_array_mut().unwrap();
    match way {
        0 => scopes.push(json!("admin.delete")),
        1 => scopes.push(json!("tickets.*")),
        2 => scopes.push(json!("user.read")),
        3 => detail["constraints"] = json!([]),
        4 => detail["constraints"][0]["max"] = json!(before["constraints"][0]["max"].as_u64().unwrap() + 1),
        5 => detail["constraints"][1]["min"] = json!(before["constraints"][1]["min"].as_u64().unwrap() - 1),
        6 => detail["constraints"][2]["one_of"] = json!(["a", "b", "c", "d", "e", "f", "g"]),
        7 => detail["constraints"][3] = json!({ "key": "other", "not_one_of": VALUES }),
        8 => detail["constraints"][4]["prefix"] = json!("q"),
        9 => detail["constraints"][5]["order"] = json!(["any", "partner", "internal", "none"]),
        10 => claims["exp"] = json!(parent["exp"].as_u64().unwrap() + 1),
        _ => claims["del_max_depth"] = json!(9),
    }
}

/// How many ways there are.
const WAYS: usize = 12;

fn looked_at(c: &mut Value) {
    c["issuers"][0]["chain"]["constraints"] = json!(["max", "min", "one_of", "not_one_of", "prefix", "rank"]);
    c["policies"] = json!([{ "name": "looks" }]);
    c["routes"][0]["policies"] = json!(["looks"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_that_narrows_is_accepted_until_one_link_widens(
        steps in prop::collection::vec(any::<[u8; 10]>(), 1..8),
        at in any::<prop::sample::Index>(),
        way in 0..WAYS,
    ) {
        let good = chain(&steps);
        let decision = decide(&mut gate(looked_at), request(&good));
        prop_assert_eq!(decision.reason(), None, "{:?}", why(&decision));

        let at = at.index(steps.len()) + 1;
        let wide = good.with(|links| {
            let parent = links[at - 1].claims.clone();
            widen(&mut links[at].claims, &parent, way);
        });
        let (reason, evidence) = why(&decide(&mut gate(looked_at), request(&wide)));
        prop_assert_eq!(reason, Some(Reason::DelegationWidened), "{}", evidence);
        prop_assert_eq!(&evidence["link"], &json!(at), "{}", evidence);
        prop_assert_eq!(&evidence["client_id"], &json!(format!("agent-{at}")));
    }
}
