//! Prints what jaq, called as mirrord-agent calls it, makes of the programs of a file with one JSON object a line.
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, RcIter};
use jaq_json::Val;
use serde_json::{json, Value};

fn verdicts(program: &str, texts: &[&str]) -> Option<Vec<bool>> {
    let arena = Arena::default();
    let modules = Loader::new(jaq_std::defs().chain(jaq_json::defs()))
        .load(&arena, File { code: program, path: () })
        .ok()?;
    let filter = Compiler::default()
        .with_funs(jaq_std::funs().chain(jaq_json::funs()))
        .compile(modules)
        .ok()?;
    let first_boolean = |text: &&str| {
        let inputs = RcIter::new(core::iter::empty());
        let mut out = filter.run((Ctx::new([], &inputs), Val::from(text.to_string())));
        out.find_map(|item| match item {
            Ok(Val::Bool(value)) => Some(value),
            _ => None,
        })
        .unwrap_or(false)
    };
    Some(texts.iter().map(first_boolean).collect())
}

fn main() {
    let path = std::env::args().nth(1).expect("path of the table");
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let program = case["program"].as_str().unwrap();
        let texts: Vec<&str> = case["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        let verdict = match verdicts(program, &texts) {
            Some(list) => json!(list),
            None => json!("error"),
        };
        println!("{}", json!({ "program": program, "texts": texts, "verdict": verdict }));
    }
}
