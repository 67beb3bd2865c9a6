//! The job contract over HTTP: what a program that holds an attempt's token may call.

use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError, dev::Payload, get, http::StatusCode,
    http::header, post, web,
};
use job_contract::{ArtifactRequest, EventBatch, GrantRequest, Outcome, Refusal};

use super::super::{
    artifact, conclude::refused_by, error::JobError, finish, grant, internal_error::CallError,
    spec, tell, token::is_token,
};
use crate::{app::Ports, config::Config, error::AppError, ids::AttemptId};

/// A batch of a thousand events stays below.
const LARGEST_BODY: usize = 4 << 20;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default()
        .limit(LARGEST_BODY)
        .error_handler(|error, _| refuse(StatusCode::BAD_REQUEST, "invalid", error).into());
    config.service(
        web::scope("/internal/v1/attempts/{attempt}")
            .app_data(json)
            .service(read_spec)
            .service(ask_grant)
            .service(tell_events)
            .service(place_artifact)
            .service(end),
    );
}

/// An answer other than 2xx.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    refusal: Refusal,
}

fn refuse(status: StatusCode, code: &str, message: impl fmt::Display) -> Refused {
    Refused {
        status,
        refusal: Refusal {
            code: code.to_owned(),
            message: message.to_string(),
            rules: Vec::new(),
        },
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.refusal.message)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status).json(&self.refusal)
    }
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Ended => refuse(StatusCode::CONFLICT, "attempt_ended", error),
            CallError::Invalid(_) => refuse(StatusCode::UNPROCESSABLE_ENTITY, "invalid", error),
            CallError::Refused(rules) => Self {
                status: StatusCode::FORBIDDEN,
                refusal: Refusal {
                    code: refused_by(&rules).into(),
                    message: "The data may not be read for this any more.".into(),
                    rules,
                },
            },
            CallError::Job(error) => ours(error),
        }
    }
}

/// What the program can do nothing about: it tries again later.
fn ours(error: JobError) -> Refused {
    let error = AppError::from(error);
    error.log();
    let status = match error {
        AppError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refuse(status, "internal", "The portal cannot answer now.")
}

/// The program of one attempt.
struct Caller(AttemptId);

impl FromRequest for Caller {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = || {
            let attempt: AttemptId = request.match_info().get("attempt")?.parse().ok()?;
            let config = request.app_data::<web::Data<Config>>()?;
            let given = request
                .headers()
                .get(header::AUTHORIZATION)?
                .to_str()
                .ok()?
                .strip_prefix("Bearer ")?;
            is_token(&config.secret, attempt, given).then_some(Self(attempt))
        };
        ready(caller().ok_or_else(|| {
            refuse(
                StatusCode::UNAUTHORIZED,
                "token_invalid",
                "The token is not this attempt's.",
            )
        }))
    }
}

type Answer = Result<HttpResponse, Refused>;

#[get("/spec")]
async fn read_spec(caller: Caller, ports: web::Data<Ports>) -> Answer {
    let spec = spec::spec(&ports, caller.0).await?;
    Ok(HttpResponse::Ok().json(spec))
}

#[post("/grants")]
async fn ask_grant(
    caller: Caller,
    ports: web::Data<Ports>,
    request: web::Json<GrantRequest>,
) -> Answer {
    let grant = grant::grant(&ports.db, &ports.objects, caller.0, request.file).await?;
    Ok(HttpResponse::Ok().json(grant))
}

#[post("/events")]
async fn tell_events(
    caller: Caller,
    ports: web::Data<Ports>,
    batch: web::Json<EventBatch>,
) -> Answer {
    let answer = tell::tell(&ports, caller.0, batch.into_inner()).await?;
    Ok(HttpResponse::Ok().json(answer))
}

#[post("/artifacts")]
async fn place_artifact(
    caller: Caller,
    ports: web::Data<Ports>,
    request: web::Json<ArtifactRequest>,
) -> Answer {
    let place = artifact::place(&ports.db, &ports.objects, caller.0, &request).await?;
    Ok(HttpResponse::Ok().json(place))
}

#[post("/finish")]
async fn end(caller: Caller, ports: web::Data<Ports>, outcome: web::Json<Outcome>) -> Answer {
    finish::finish(&ports, caller.0, outcome.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
