//! What an error of the client says about the store.

use alloc::{string::ToString, sync::Arc};

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::limit::remote::StoreError;

/// See [`StoreError`]: what the server itself has said is a refusal, except about a single key; everything else
/// says that it was not reached.
pub(super) fn told(error: &RedisError) -> StoreError {
    let text = || Arc::from(error.to_string());
    match error.kind() {
        _ if error.is_timeout() => StoreError::Timeout,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => StoreError::Malformed,
        _ if is_about_the_key(error) => StoreError::WrongType(text()),
        // The extensions are what this client has no names for: OOM, NOAUTH, MISCONF, BUSY, NOREPLICAS.
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => {
            StoreError::Refused(text())
        }
        _ => StoreError::Unreachable(text()),
    }
}

/// Servers before Redis 7 put what a command of a script has said into a sentence of their own.
fn is_about_the_key(error: &RedisError) -> bool {
    const CODE: &str = "WRONGTYPE";
    match error.kind() {
        ErrorKind::Extension => error.code() == Some(CODE),
        ErrorKind::Server(ServerErrorKind::ResponseError) => {
            let mut words = error.detail().unwrap_or_default().split(' ');
            words.any(|word| word.trim_start_matches('-') == CODE)
        }
        _ => false,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::{format, string::ToString};
    use std::io;

    use redis::{ErrorKind, RedisError, Value};

    use super::told;
    use crate::limit::remote::StoreError;

    fn server(line: &str) -> RedisError {
        let Ok(Value::ServerError(error)) =
            redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
        else {
            panic!("{line} is no error");
        };
        error.into()
    }

    #[test]
    fn what_the_server_says_is_a_refusal() {
        for line in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "OOM command not allowed when used memory > 'maxmemory'. script: d3, on @user_script:53.",
            "READONLY You can't write against a read only replica.",
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOPERM this user has no permissions to run the 'evalsha' command",
            "CLUSTERDOWN The cluster is down",
            "MISCONF Redis is configured to save RDB snapshots, but it is currently unable to",
            "NOREPLICAS Not enough good replicas to write.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "MOVED 3999 127.0.0.1:6381",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CROSSSLOT Keys in request don't hash to the same slot",
            "NOSCRIPT No matching script. Please use EVAL.",
            "UNKILLABLE what nobody has heard of",
            "ERR unknown command 'EVALSHA'",
            "ERR Error running script (call to f_d3): @user_script:53: -OOM command not allowed",
            "ERR max number of clients reached",
        ] {
            let StoreError::Refused(text) = told(&server(line)) else { panic!("{line}") };
            assert_eq!(*text, *server(line).to_string(), "it is told in full");
        }
        let setup =
            RedisError::from((ErrorKind::AuthenticationFailed, "Password authentication failed"));
        assert!(matches!(told(&setup), StoreError::Refused(_)));
    }

    #[test]
    fn a_key_that_is_something_else_says_nothing_about_the_store() {
        for line in [
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "WRONGTYPE Operation against a key holding the wrong kind of value script: d3, on @user_script:33.",
            "ERR Error running script (call to f_d3): @user_script:33: WRONGTYPE Operation against a key",
            "ERR Error running script (call to f_d3): @user_script:33: -WRONGTYPE Operation against a key",
        ] {
            assert!(matches!(told(&server(line)), StoreError::WrongType(_)), "{line}");
        }
    }

    #[test]
    fn what_takes_too_long_is_a_timeout_wherever_it_does() {
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock] {
            assert_eq!(told(&io::Error::from(kind).into()), StoreError::Timeout);
        }
    }

    #[test]
    fn whoever_is_not_reached_has_said_nothing() {
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied,
        ] {
            assert!(
                matches!(told(&io::Error::from(kind).into()), StoreError::Unreachable(_)),
                "{kind:?}"
            );
        }
        for kind in [
            ErrorKind::Io,
            ErrorKind::Client,
            ErrorKind::InvalidClientConfig,
            ErrorKind::ClusterConnectionNotFound,
            ErrorKind::MasterNameNotFoundBySentinel,
            ErrorKind::NoValidReplicasFoundBySentinel,
            ErrorKind::EmptySentinelList,
            ErrorKind::RESP3NotSupported,
        ] {
            let error = RedisError::from((kind, "connection closed"));
            assert!(matches!(told(&error), StoreError::Unreachable(_)), "{kind:?}");
        }
    }

    #[test]
    fn answers_that_nobody_understands_are_malformed() {
        for kind in [ErrorKind::Parse, ErrorKind::UnexpectedReturnType] {
            assert_eq!(told(&RedisError::from((kind, "what"))), StoreError::Malformed);
        }
    }
}
