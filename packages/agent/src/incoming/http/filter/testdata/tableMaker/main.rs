// Makes the tables beside this folder: reads a JSON list of pairs from standard input and prints one JSON row a line.
// "regex": [pattern, text], answered by fancy_regex's is_match. "jsonpath": [query, body], answered by the texts of the nodes as a body filter sees them.

use std::io::Read;

use serde_json::{json, Value};
use serde_json_path::JsonPath;
use serde_json_path_core::spec::functions::{NodesType, ValueType};

#[serde_json_path::function(name = "typeof")]
fn type_of(nodes: NodesType) -> ValueType {
    fn name(value: &Value) -> &'static str {
        match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }
    let mut names = nodes.iter().map(|node| name(node));
    match names.next() {
        Some(first) if names.all(|other| other == first) => ValueType::Value(Value::String(first.into())),
        _ => ValueType::Nothing,
    }
}

fn regex(pattern: &str, text: &str) -> Value {
    match fancy_regex::Regex::new(pattern) {
        Err(_) => json!("invalid"),
        Ok(regex) => regex.is_match(text).map_or(json!("overrun"), |answer| json!(answer)),
    }
}

fn json_path(query: &str, body: &str) -> Value {
    let Ok(path) = JsonPath::parse(query) else { return json!("invalid query") };
    let Ok(value) = serde_json::from_str::<Value>(body) else { return json!("invalid body") };
    let text = |node: &&Value| match node {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    json!(path.query(&value).iter().map(text).collect::<Vec<String>>())
}

fn main() {
    let kind = std::env::args().nth(1).expect("regex or jsonpath");
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).expect("a list on standard input");
    let cases: Vec<(String, String)> = serde_json::from_str(&input).expect("a list of pairs");
    for (first, second) in cases {
        let answer = if kind == "regex" { regex(&first, &second) } else { json_path(&first, &second) };
        println!("{}", json!([first, second, answer]));
    }
}
