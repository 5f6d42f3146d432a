//! One template: a JSON value whose strings are minijinja templates over an event.
//!
//! A string without `{{`, `{%` and `{#` is itself. A string that is one
//! `{{ expression }}` becomes the expression's value with its type. Any other
//! string becomes the text that it renders to.

mod allowed;

use crate::bounded::BoundedBuffer;
use crate::deep_stack::on_deep_stack;
use crate::limits::ShapeLimits;
use minijinja::machinery::{parse, parse_expr};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Write as _;

/// The most levels of arrays and objects of a template.
const DEPTH_MAX: usize = 32;

/// The longest string of a template that is not constant, in bytes: a parser may recurse at
/// each byte.
const STRING_BYTES_MAX: usize = 4096;

/// How deep loops and expressions may be nested.
const RECURSION_MAX: usize = 64;

/// The variable that an expression's value is put into.
const RESULT: &str = "sluice_result";

/// The longest description of an error, in bytes.
const MESSAGE_BYTES_MAX: usize = 240;

/// Why a template is wrong, or failed on an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", place(pointer), line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct TransformError {
    /// A JSON Pointer to the string of the template.
    pub pointer: String,
    /// The line of the string, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

fn place(pointer: &str) -> String {
    if pointer.is_empty() { "the template".to_owned() } else { format!("the template at {pointer}") }
}

impl TransformError {
    fn new(pointer: &str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        Self { pointer: pointer.to_owned(), line: None, message }
    }

    fn of(pointer: &str, error: &minijinja::Error) -> Self {
        let text = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => "it is more work than a template may be for one event".to_owned(),
            (kind, None) => kind.to_string(),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
        };
        Self { line: error.line(), ..Self::new(pointer, text) }
    }
}

/// A compiled part of a template.
#[derive(Debug)]
enum TemplateNode {
    /// JSON that is the same for all events.
    Constant(String),
    /// A string that renders to text; its name in the environment, and its place.
    Text {
        name: String,
        pointer: String,
    },
    /// A string that is one expression.
    Expression {
        name: String,
        pointer: String,
    },
    List(Vec<TemplateNode>),
    Object(Vec<(String, TemplateNode)>),
}

/// A compiled template.
#[derive(Debug)]
pub struct JsonTemplate {
    environment: Environment<'static>,
    root: TemplateNode,
    limits: ShapeLimits,
}

impl JsonTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// If it is not JSON, is too large, or one of its strings is not a template.
    pub fn compile(json: &str, limits: ShapeLimits) -> Result<Self, TransformError> {
        if json.len() > limits.template_bytes_max {
            let text = format!("it has {} bytes; {} is the most", json.len(), limits.template_bytes_max);
            return Err(TransformError::new("", text));
        }
        let json: Json = serde_json::from_str(json).map_err(|e| TransformError::new("", e.to_string()))?;
        let compile = || -> Result<Self, TransformError> {
            let mut compiler = TemplateCompiler {
                environment: environment(limits.fuel),
                strings: 0,
                strings_max: limits.strings_max,
            };
            let root = compiler.node(&json, &mut String::new(), 0)?;
            Ok(Self { environment: compiler.environment, root, limits })
        };
        on_deep_stack(compile).unwrap_or_else(|| Err(TransformError::new("", "it cannot be compiled now")))
    }

    /// Appends to `out` the JSON that the template makes of an event's envelope.
    ///
    /// # Errors
    /// If the template fails on the event. Then `out` may hold a part of the JSON.
    pub fn render(&self, envelope: &[u8], out: &mut Vec<u8>) -> Result<(), TransformError> {
        let fields: BTreeMap<String, Value> = serde_json::from_slice(envelope)
            .map_err(|error| TransformError::new("", format!("the event cannot be read: {error}")))?;
        let mut variables = fields.clone();
        variables.insert("event".to_owned(), Value::from(fields));
        let room = self.limits.event_bytes_max;
        let mut rendering = EventRendering {
            template: self,
            variables: Value::from(variables),
            fuel_left: self.limits.fuel,
            out: BoundedBuffer::new(out, room),
        };
        let rendered = rendering.node(&self.root);
        if rendering.out.is_full() {
            let text = format!("what it makes of the event has more than {room} bytes");
            return Err(rendered.err().map_or_else(
                || TransformError::new("", &*text),
                |error| TransformError { message: text.clone(), ..error },
            ));
        }
        rendered
    }
}

/// The filters and tests of minijinja that templates may use, with the fuel.
fn environment(fuel: u64) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(fuel));
    environment.set_recursion_limit(RECURSION_MAX);
    for global in ["debug", "dict", "namespace"] {
        environment.remove_global(global);
    }
    for filter in allowed::REMOVED {
        environment.remove_filter(filter);
    }
    environment
}

struct TemplateCompiler {
    environment: Environment<'static>,
    strings: usize,
    strings_max: usize,
}

impl TemplateCompiler {
    fn node(
        &mut self,
        json: &Json,
        pointer: &mut String,
        depth: usize,
    ) -> Result<TemplateNode, TransformError> {
        if depth > DEPTH_MAX {
            return Err(TransformError::new(pointer, format!("it is nested more than {DEPTH_MAX} deep")));
        }
        match json {
            Json::String(text) if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) => {
                self.string(text, pointer)
            }
            Json::Array(items) => {
                let items = items.iter().enumerate();
                let nodes = items.map(|(index, item)| self.below(&index.to_string(), item, pointer, depth));
                Ok(TemplateNode::List(nodes.collect::<Result<_, _>>()?))
            }
            Json::Object(fields) => {
                let node = |(name, field): (&String, &Json)| {
                    Ok((Json::from(name.as_str()).to_string(), self.below(name, field, pointer, depth)?))
                };
                Ok(TemplateNode::Object(fields.iter().map(node).collect::<Result<_, _>>()?))
            }
            constant => Ok(TemplateNode::Constant(constant.to_string())),
        }
    }

    fn below(
        &mut self,
        name: &str,
        json: &Json,
        pointer: &mut String,
        depth: usize,
    ) -> Result<TemplateNode, TransformError> {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let node = self.node(json, pointer, depth + 1)?;
        pointer.truncate(length);
        Ok(node)
    }

    fn string(&mut self, text: &str, pointer: &str) -> Result<TemplateNode, TransformError> {
        self.strings += 1;
        if self.strings > self.strings_max {
            let text = format!("it has more than {} strings that are not constant", self.strings_max);
            return Err(TransformError::new(pointer, text));
        }
        if text.len() > STRING_BYTES_MAX {
            let text = format!("the string has {} bytes; {STRING_BYTES_MAX} is the most", text.len());
            return Err(TransformError::new(pointer, text));
        }
        let (name, pointer) = (self.strings.to_string(), pointer.to_owned());
        let expression = sole_expression(text).filter(|expression| parse_expr(expression).is_ok());
        let source = match expression {
            Some(expression) => format!("{{% set {RESULT} = {expression} %}}"),
            None => text.to_owned(),
        };
        let parsed = parse(&source, "", minijinja::syntax::SyntaxConfig::default())
            .map_err(|error| TransformError::of(&pointer, &error))?;
        allowed::check(&parsed).map_err(|refused| TransformError {
            line: Some(refused.line),
            ..TransformError::new(&pointer, refused.problem)
        })?;
        drop(parsed);
        let added = self.environment.add_template_owned(name.clone(), source);
        added.map_err(|error| TransformError::of(&pointer, &error))?;
        Ok(match expression {
            Some(_) => TemplateNode::Expression { name, pointer },
            None => TemplateNode::Text { name, pointer },
        })
    }
}

/// The text between the braces of a string that may be one expression.
fn sole_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    Some(inner.strip_suffix('-').unwrap_or(inner))
}

/// The state of rendering one event.
struct EventRendering<'a> {
    template: &'a JsonTemplate,
    variables: Value,
    fuel_left: u64,
    out: BoundedBuffer<'a>,
}

impl EventRendering<'_> {
    fn node(&mut self, node: &TemplateNode) -> Result<(), TransformError> {
        match node {
            TemplateNode::Constant(json) => self.write(json.as_bytes()),
            TemplateNode::Text { name, pointer } => {
                let (text, _) = self.run(name, pointer)?;
                self.json(&text, pointer)
            }
            TemplateNode::Expression { name, pointer } => match self.run(name, pointer)? {
                (_, Some(value)) if !value.is_undefined() => self.json(&value, pointer),
                _ => Err(TransformError::new(pointer, "the expression is undefined")),
            },
            TemplateNode::List(nodes) => {
                self.write(b"[")?;
                for (index, node) in nodes.iter().enumerate() {
                    self.write(if index == 0 { b"" } else { b"," })?;
                    self.node(node)?;
                }
                self.write(b"]")
            }
            TemplateNode::Object(fields) => {
                self.write(b"{")?;
                for (index, (name, node)) in fields.iter().enumerate() {
                    self.write(if index == 0 { b"" } else { b"," })?;
                    self.write(name.as_bytes())?;
                    self.write(b":")?;
                    self.node(node)?;
                }
                self.write(b"}")
            }
        }
    }

    /// Runs a string. Returns its text, and the value of its expression.
    fn run(&mut self, name: &str, pointer: &str) -> Result<(String, Option<Value>), TransformError> {
        let refused = |error: minijinja::Error| TransformError::of(pointer, &error);
        let template = self.template.environment.get_template(name).map_err(refused)?;
        let mut captured = template.render_captured(self.variables.clone()).map_err(refused)?;
        let used = captured.state().fuel_levels().map_or(0, |(used, _left)| used);
        self.fuel_left = self
            .fuel_left
            .checked_sub(used)
            .ok_or_else(|| refused(minijinja::Error::from(ErrorKind::OutOfFuel)))?;
        let value = captured.with_state_mut(|state| state.lookup(RESULT));
        Ok((captured.into_output(), value))
    }

    fn json(&mut self, value: &impl serde::Serialize, pointer: &str) -> Result<(), TransformError> {
        let written = serde_json::to_writer(&mut self.out, value);
        written.map_err(|error| TransformError::new(pointer, format!("not JSON: {error}")))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TransformError> {
        self.out.write_all(bytes).map_err(|error| TransformError::new("", error.to_string()))
    }
}

#[cfg(test)]
mod tests;
