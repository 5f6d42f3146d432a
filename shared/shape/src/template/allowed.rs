//! The statements, expressions and filters that a template's strings may use.
//!
//! Fuel bounds the work of a template itself, but not the printing, comparing or dropping of a
//! value that holds the same list many times over: ten nested lists of ten lists are ten billion
//! items in a few words. So no expression can put a container into a container. Lists and
//! objects come from the event, from constants, and from filters that make no more of them than
//! they are given; structure comes from the JSON around the strings.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};

/// Filters whose results and work grow no faster than their arguments.
const FILTERS: [&str; 39] = [
    "abs",
    "attr",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// Filters whose result is always a number.
const NUMBERS: [&str; 6] = ["abs", "count", "float", "int", "length", "round"];

/// A forbidden part of a template: its line and a description.
pub(super) struct NotAllowed {
    pub(super) line: usize,
    pub(super) problem: String,
}

/// Checks the statements of a string.
pub(super) fn check(statement: &Stmt<'_>) -> Result<(), NotAllowed> {
    match statement {
        Stmt::Template(template) => all(&template.children),
        Stmt::EmitRaw(_) => Ok(()),
        Stmt::EmitExpr(emit) => expression(&emit.expr),
        Stmt::IfCond(condition) => {
            expression(&condition.expr)?;
            all(&condition.true_body)?;
            all(&condition.false_body)
        }
        Stmt::ForLoop(each) if !each.recursive => {
            expression(&each.iter)?;
            each.filter_expr.as_ref().map_or(Ok(()), expression)?;
            all(&each.body)?;
            all(&each.else_body)
        }
        Stmt::Set(set) => match &set.target {
            Expr::Var(_) => expression(&set.expr),
            other => refused(other, "only a variable can be set"),
        },
        Stmt::ForLoop(each) => refused(&each.iter, "a loop cannot be recursive"),
        _ => Err(NotAllowed {
            line: 1,
            problem: "there are `if`, `for` and `set`, and no other statements".into(),
        }),
    }
}

fn all(statements: &[Stmt<'_>]) -> Result<(), NotAllowed> {
    statements.iter().try_for_each(check)
}

fn expression(checked: &Expr<'_>) -> Result<(), NotAllowed> {
    match checked {
        Expr::Var(_) | Expr::Const(_) => Ok(()),
        Expr::Slice(slice) => {
            expression(&slice.expr)?;
            [&slice.start, &slice.stop, &slice.step].into_iter().flatten().try_for_each(expression)
        }
        Expr::UnaryOp(operation) => expression(&operation.expr),
        Expr::BinOp(operation) => {
            let numbers =
                [&operation.left, &operation.right].into_iter().filter(|side| is_number(side)).count();
            match operation.op {
                BinOpKind::Mul | BinOpKind::Pow if numbers < 2 => {
                    return refused(checked, "`*` takes numbers: write `payload.n|float * 2`");
                }
                BinOpKind::Add if numbers < 1 => {
                    return refused(
                        checked,
                        "`+` takes numbers: write `payload.n|float + 1`, and `~` for text",
                    );
                }
                _ => {}
            }
            expression(&operation.left)?;
            expression(&operation.right)
        }
        Expr::Compare(chain) => {
            expression(&chain.expr)?;
            chain.ops.iter().try_for_each(|operation| expression(&operation.expr))
        }
        Expr::IfExpr(choice) => {
            expression(&choice.test_expr)?;
            expression(&choice.true_expr)?;
            choice.false_expr.as_ref().map_or(Ok(()), expression)
        }
        Expr::Filter(filter) => {
            if !FILTERS.contains(&filter.name) {
                return refused(checked, &format!("there is no filter `{:.40}`", filter.name));
            }
            if filter.name == "tojson" && !filter.args.is_empty() {
                return refused(checked, "`tojson` takes no arguments");
            }
            filter.expr.as_ref().map_or(Ok(()), expression)?;
            arguments(&filter.args)
        }
        Expr::Test(test) => {
            expression(&test.expr)?;
            arguments(&test.args)
        }
        Expr::GetAttr(field) => expression(&field.expr),
        Expr::GetItem(item) => {
            expression(&item.expr)?;
            expression(&item.subscript_expr)
        }
        Expr::Call(call) => match &call.expr {
            Expr::Var(name) if name.id == "range" => arguments(&call.args),
            _ => refused(checked, "there is no function but `range`"),
        },
        Expr::List(list) => constant(checked, &list.items),
        Expr::Tuple(tuple) => constant(checked, &tuple.items),
        Expr::Map(map) => {
            constant(checked, &map.keys)?;
            constant(checked, &map.values)
        }
    }
}

fn arguments(given: &[CallArg<'_>]) -> Result<(), NotAllowed> {
    given.iter().try_for_each(|argument| match argument {
        CallArg::Pos(value) | CallArg::Kwarg(_, value) => match value {
            // The name of the filter that `map` applies.
            Expr::Const(name) if name.value.as_str().is_some_and(|name| REMOVED.contains(&name)) => {
                refused(value, "there is no such filter")
            }
            _ => expression(value),
        },
        CallArg::PosSplat(value) | CallArg::KwargSplat(value) => refused(value, "`*` before an argument"),
    })
}

/// Filters that put containers into containers, or make text of any length.
pub(super) const REMOVED: [&str; 11] = [
    "batch", "center", "chain", "format", "groupby", "indent", "pprint", "slice", "truncate", "wordwrap",
    "zip",
];

/// Lists and objects in an expression must be made of constants.
fn constant(whole: &Expr<'_>, items: &[Expr<'_>]) -> Result<(), NotAllowed> {
    if items.iter().all(|item| matches!(item, Expr::Const(_))) {
        return Ok(());
    }
    refused(whole, "a list or object in an expression can hold constants only: build it in the JSON")
}

fn is_number(side: &Expr<'_>) -> bool {
    match side {
        Expr::Const(constant) => constant.value.is_number(),
        Expr::Filter(filter) => NUMBERS.contains(&filter.name),
        Expr::UnaryOp(operation) => is_number(&operation.expr),
        Expr::BinOp(operation) => {
            let numeric = matches!(
                operation.op,
                BinOpKind::Add
                    | BinOpKind::Sub
                    | BinOpKind::Mul
                    | BinOpKind::Div
                    | BinOpKind::FloorDiv
                    | BinOpKind::Rem
            );
            numeric && is_number(&operation.left) && is_number(&operation.right)
        }
        _ => false,
    }
}

fn refused(place: &Expr<'_>, problem: &str) -> Result<(), NotAllowed> {
    Err(NotAllowed { line: usize::from(place.span().start_line), problem: problem.to_owned() })
}
