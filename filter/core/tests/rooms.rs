//! The rooms of the crate import only those that come before them, and no file imports in a circle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every file below `src`, by its module path: `policy::fold`; the crate's root is empty.
fn files() -> BTreeMap<String, String> {
    fn collect(folder: &Path, module: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let inner = if module.is_empty() { name.clone() } else { format!("{module}::{name}") };
            if path.is_dir() {
                collect(&path, &inner, found);
            } else {
                let module = if name == "lib" { String::new() } else { inner };
                let text = fs::read_to_string(&path).unwrap();
                // Tests may look at anything.
                let code = text.split("#[cfg(test)]").next().unwrap();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                // How far something is seen is no import.
                let code = lines.collect::<Vec<_>>().join("\n").replace("pub(in crate::", "pub(in ");
                found.insert(module, code);
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    found
}

/// The rooms, in the order of `lib.rs`.
fn rooms(root: &str) -> Vec<String> {
    let declared = root.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    declared.map(str::to_owned).collect()
}

/// The paths that follow `keyword::` in `code`; a list of them is taken apart, to one level.
fn paths_after(code: &str, keyword: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut paths = Vec::new();
    for (at, _) in code.match_indices(keyword) {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let rest = code.get(at + keyword.len()..).unwrap();
        if before.is_some_and(is_part) {
            continue;
        }
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0_usize;
                let mut item = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => paths.push(std::mem::take(&mut item)),
                        c if depth == 0 && is_part(c) => item.push(c),
                        _ => {}
                    }
                }
                paths.push(item);
            }
            None => paths.push(rest.chars().take_while(|c| is_part(*c)).collect()),
        }
    }
    paths.retain(|path| !path.is_empty());
    paths
}

#[test]
fn a_room_imports_only_earlier_ones() {
    let files = files();
    let rooms = rooms(&files[""]);
    assert!(rooms.len() > 10, "{rooms:?}");
    let position = |room: &str| rooms.iter().position(|known| known == room);
    let mut looked_at = 0;
    for (module, code) in files.iter().filter(|(module, _)| !module.is_empty()) {
        let own = module.split("::").next().unwrap();
        let at = position(own).unwrap_or_else(|| panic!("{own} is no room of lib.rs"));
        for path in paths_after(code, "crate::") {
            let other = path.split("::").next().unwrap();
            let Some(other_at) = position(other) else { panic!("{module}: crate::{path}") };
            looked_at += 1;
            assert!(other_at <= at, "{module} imports crate::{path}, a later room");
            // Within a room, `super` says how near it is.
            assert!(other != own || !module.contains("::"), "{module} imports crate::{path} of its own room");
        }
    }
    assert!(looked_at > 100, "{looked_at}");
}

/// The module that `super::path` in `module` means, as far as it is a file.
fn sibling(files: &BTreeMap<String, String>, module: &str, path: &str) -> Option<String> {
    let mut base: Vec<&str> = module.split("::").collect();
    base.pop();
    let mut found = None;
    for part in path.split("::") {
        if part == "super" {
            base.pop();
            continue;
        }
        base.push(part);
        let candidate = base.join("::");
        if files.contains_key(&candidate) {
            found = Some(candidate);
        }
    }
    // A name of the parent itself.
    found.or_else(|| {
        let (parent, _) = module.rsplit_once("::")?;
        Some(parent.to_owned())
    })
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    fn visit<'a>(
        module: &'a str,
        imports: &'a BTreeMap<String, BTreeSet<String>>,
        trail: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) {
        assert!(!trail.contains(&module), "a circle: {trail:?} and again {module}");
        if !done.contains(module) {
            trail.push(module);
            for next in imports.get(module).into_iter().flatten() {
                visit(next, imports, trail, done);
            }
            trail.pop();
            done.insert(module);
        }
    }
    let files = files();
    let imports: BTreeMap<String, BTreeSet<String>> = files
        .iter()
        .map(|(module, code)| {
            let paths = paths_after(code, "super::");
            let siblings = paths.iter().filter_map(|path| sibling(&files, module, path));
            // A file that is taken apart into a folder shares names with its parts, both ways.
            let parent = module.rsplit_once("::").map(|(parent, _)| parent);
            (module.clone(), siblings.filter(|other| Some(other.as_str()) != parent).collect())
        })
        .collect();
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 20, "{imports:?}");
    let mut done = BTreeSet::new();
    for module in imports.keys() {
        visit(module, &imports, &mut Vec::new(), &mut done);
    }
}
