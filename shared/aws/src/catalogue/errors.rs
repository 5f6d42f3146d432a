//! The failure classes of Postgres' errors.

use crate::failure::{innermost, one_line};
use sluice_ports::{FailureClass, PortError};
use sqlx::migrate::MigrateError;

/// The SQLSTATEs of a missing table and of a missing column: PostgreSQL, appendix A.
const UNDEFINED_TABLE: &str = "42P01";
const UNDEFINED_COLUMN: &str = "42703";

/// Whether the server refused the login: a wrong password, no such role, or one
/// that may not log in (class 28, "Invalid Authorization Specification").
pub(super) fn is_login_refused(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(answer) = error else { return false };
    answer.code().is_some_and(|code| code.starts_with("28"))
}

/// The class of a failed query.
fn class_of(error: &sqlx::Error) -> FailureClass {
    match error {
        sqlx::Error::Database(answer) => {
            answer.code().map_or(FailureClass::Ambiguous, |code| class_of_code(code.as_ref()))
        }
        // Every connection is in use.
        sqlx::Error::PoolTimedOut => FailureClass::Away,
        sqlx::Error::Configuration(_) => FailureClass::Denied,
        sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => FailureClass::Away,
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => FailureClass::Away,
        // A broken connection does not tell whether a commit was made.
        _ => FailureClass::Ambiguous,
    }
}

/// The class of an error that the server reported, by its SQLSTATE
/// (PostgreSQL, appendix A: the first two characters are its class).
fn class_of_code(code: &str) -> FailureClass {
    match (code, code.get(..2).unwrap_or_default()) {
        // A missing table or schema, no permission, a wrong password, no such database or role.
        (UNDEFINED_TABLE | UNDEFINED_COLUMN | "3F000" | "42501", _) | (_, "28" | "3D") => {
            FailureClass::Denied
        }
        // Serialization failures, deadlocks, lock and statement timeouts, too many connections.
        (_, "40" | "53" | "55") | ("57014", _) => FailureClass::Busy,
        // Shutting down or starting up, a broken connection, a read-only server.
        (_, "57" | "08" | "58") | ("25006", _) => FailureClass::Away,
        (_, "22" | "23" | "42") => FailureClass::Refused,
        _ => FailureClass::Ambiguous,
    }
}

/// The port's error for a failed query, in one line.
pub(super) fn port_error(attempted: &str, error: &sqlx::Error) -> PortError {
    let words = match error {
        sqlx::Error::Database(answer) => {
            let code = answer.code().unwrap_or_default();
            let advice = match code.as_ref() {
                UNDEFINED_TABLE | UNDEFINED_COLUMN => {
                    "; the catalogue's schema is missing or old: run `sluice provision`"
                }
                _ => "",
            };
            format!("{} ({code}){advice}", one_line(answer.message()))
        }
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        error => one_line(&innermost(error)),
    };
    PortError::failed(class_of(error), format!("{attempted} in Postgres"), words)
}

/// The port's error for a failed migration.
pub(super) fn migration_error(attempted: &str, error: MigrateError) -> PortError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            port_error(attempted, &error)
        }
        MigrateError::VersionMissing(version) => {
            let left = "it is left as it is, and processes of this version work with it";
            PortError::newer(
                attempted,
                format!("a newer Sluice made its schema (migration {version}): {left}"),
            )
        }
        // The database has another schema of that name.
        error => PortError::failed(FailureClass::Denied, attempted, one_line(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_told_from_a_foreign_one() {
        let told = migration_error("migrate the catalogue", MigrateError::VersionMissing(4)).to_string();
        assert!(told.contains("a newer Sluice made its schema (migration 4): it is left as it is"), "{told}");
        let foreign = migration_error("migrate the catalogue", MigrateError::Dirty(4));
        assert_eq!(foreign.class(), FailureClass::Denied);
        assert!(!foreign.to_string().contains("newer"));
    }

    #[test]
    fn codes_have_their_classes() {
        for (code, class) in [
            ("42P01", FailureClass::Denied),
            ("28P01", FailureClass::Denied),
            ("3D000", FailureClass::Denied),
            ("42501", FailureClass::Denied),
            ("40001", FailureClass::Busy),
            ("53300", FailureClass::Busy),
            ("57014", FailureClass::Busy),
            ("57P01", FailureClass::Away),
            ("25006", FailureClass::Away),
            ("23505", FailureClass::Refused),
            ("XX000", FailureClass::Ambiguous),
        ] {
            assert_eq!(class_of_code(code), class, "{code}");
        }
        assert_eq!(class_of(&sqlx::Error::PoolTimedOut), FailureClass::Away);
    }
}
