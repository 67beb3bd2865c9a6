//! The token for slurmrestd: fetched from a file or a command, never made here.

use std::{fmt, fs, process::Stdio, time::SystemTime};

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use tokio::{process::Command, sync::Mutex};

use super::{config::RestSettings, fault, shell::feed};
use crate::{ComputeError, Trouble};

/// Where it comes from, and the one in use.
#[derive(Debug)]
pub(super) struct Tokens {
    settings: RestSettings,
    kept: Mutex<Option<Token>>,
}

/// A JSON web token of Slurm's.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    secret: String,
    /// Seconds since 1970; `None` where it does not say.
    expires_at: Option<u64>,
    renew_at: Option<u64>,
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Token")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<u64>,
    iat: Option<u64>,
}

impl Token {
    /// Reads a token, alone or as `SLURM_JWT=…`; `now` in seconds since 1970.
    fn parse(text: &str, now: u64) -> Option<Self> {
        let text = text.trim();
        let secret = text.strip_prefix("SLURM_JWT=").unwrap_or(text);
        let is_token = secret.split('.').count() == 3 && !secret.contains(char::is_whitespace);
        if !is_token {
            return None;
        }
        let claims: Option<Claims> = secret
            .split('.')
            .nth(1)
            .and_then(|claims| BASE64URL_NOPAD.decode(claims.as_bytes()).ok())
            .and_then(|claims| serde_json::from_slice(&claims).ok());
        let expires_at = claims.as_ref().and_then(|claims| claims.exp);
        let from = claims.and_then(|claims| claims.iat).unwrap_or(now);
        Some(Self {
            secret: secret.to_owned(),
            expires_at,
            // Renewed at four fifths of its life, well before a request could find it run out.
            renew_at: expires_at.map(|until| until.saturating_sub(until.saturating_sub(from) / 5)),
        })
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Whether it has run out, by its own word.
    pub(super) fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|until| until <= now)
    }

    fn is_due(&self, now: u64) -> bool {
        self.renew_at.is_some_and(|at| at <= now)
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl Tokens {
    pub(super) fn new(settings: RestSettings) -> Self {
        Self {
            settings,
            kept: Mutex::default(),
        }
    }

    /// The token to use now.
    ///
    /// # Errors
    /// Where none can be had.
    pub(super) async fn get(&self) -> Result<Token, ComputeError> {
        let mut kept = self.kept.lock().await;
        match &*kept {
            Some(token) if !token.is_due(now()) => Ok(token.clone()),
            before => match (self.fetch().await, before) {
                (Ok(token), _) => {
                    *kept = Some(token.clone());
                    Ok(token)
                }
                // One that is due still holds for a fifth of its life.
                (Err(_), Some(token)) if !token.is_expired(now()) => Ok(token.clone()),
                (Err(error), _) => Err(error),
            },
        }
    }

    /// Another token than `refused`; `None` where there is no other.
    pub(super) async fn instead_of(&self, refused: &Token) -> Result<Option<Token>, ComputeError> {
        let mut kept = self.kept.lock().await;
        let token = self.fetch().await?;
        *kept = Some(token.clone());
        Ok((token != *refused).then_some(token))
    }

    async fn fetch(&self) -> Result<Token, ComputeError> {
        let (text, place) = if let Some(file) = &self.settings.token_file {
            let place = file.display().to_string();
            let text = fs::read_to_string(file)
                .map_err(|error| Trouble::Credentials(format!("{place}: {error}")))?;
            (text, place)
        } else {
            self.run().await?
        };
        Token::parse(&text, now())
            .ok_or_else(|| Trouble::Credentials(format!("{place} gives no token")).into())
    }

    async fn run(&self) -> Result<(String, String), ComputeError> {
        let [program, args @ ..] = self.settings.token_command.as_slice() else {
            return Err(
                Trouble::Settings("there is neither token_file nor token_command".into()).into(),
            );
        };
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        let said = feed(&mut command, b"").await?;
        if said.code != 0 {
            // `scontrol token` fails as well where the controller is away, and that passes.
            let told = format!("{program}: {}", fault::told(&said.complaint));
            return Err(fault::of_question(said.code, &told));
        }
        Ok((said.text(), program.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!(
            "eyJhbGciOiJIUzI1NiJ9.{}.c2ln",
            BASE64URL_NOPAD.encode(claims.as_bytes())
        )
    }

    #[test]
    fn a_token_says_when_it_runs_out_and_is_renewed_before() {
        let text = format!(
            "SLURM_JWT={}\n",
            jwt(r#"{"exp":2000,"iat":1000,"sun":"me"}"#)
        );
        let token = Token::parse(&text, 1100).unwrap();
        assert!(!token.is_due(1799) && token.is_due(1800));
        assert!(!token.is_expired(1999) && token.is_expired(2000));
        let token = Token::parse(&jwt(r#"{"exp":2000}"#), 1500).unwrap();
        assert!(!token.is_due(1899) && token.is_due(1900));
        let endless = Token::parse(&jwt("{}"), 0).unwrap();
        assert!(!endless.is_due(u64::MAX) && !endless.is_expired(u64::MAX));
        for bad in ["", "SLURM_JWT=", "a.b", "slurm_load: error a.b.c"] {
            assert_eq!(Token::parse(bad, 0), None, "{bad}");
        }
        assert!(!format!("{token:?}").contains("eyJ"));
    }

    #[tokio::test]
    async fn a_file_is_read_again_and_a_command_run_again() {
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("token");
        let settings = RestSettings {
            url: String::new(),
            user: String::new(),
            token_file: Some(file.clone()),
            token_command: Vec::new(),
            state_dir_here: None,
        };
        let tokens = Tokens::new(settings.clone());
        assert!(matches!(
            tokens.get().await,
            Err(ComputeError::Locked(Trouble::Credentials(_)))
        ));
        fs::write(&file, jwt(r#"{"exp":1}"#)).unwrap();
        let first = tokens.get().await.unwrap();
        assert_eq!(tokens.instead_of(&first).await.unwrap(), None);
        fs::write(&file, jwt(r#"{"exp":99999999999}"#)).unwrap();
        let second = tokens.get().await.unwrap();
        assert!(second != first, "one that is due is fetched again");
        let by_command = Tokens::new(RestSettings {
            token_file: None,
            token_command: ["cat", &file.display().to_string()]
                .map(str::to_owned)
                .to_vec(),
            ..settings.clone()
        });
        assert_eq!(by_command.get().await.unwrap(), second);
        let failing = |complaint: &str| {
            let command = format!("echo '{complaint}' >&2; exit 1");
            Tokens::new(RestSettings {
                token_file: None,
                token_command: ["sh", "-c", &command].map(str::to_owned).to_vec(),
                ..settings.clone()
            })
        };
        let away = failing("error: Unable to contact slurm controller (connect failure)");
        assert!(matches!(
            away.get().await,
            Err(ComputeError::Unreachable(_))
        ));
        let refused = failing("error: Access/permission denied");
        assert!(matches!(
            refused.get().await,
            Err(ComputeError::Locked(Trouble::Credentials(_)))
        ));
    }
}
