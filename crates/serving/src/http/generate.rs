//! From a parsed request to running jobs.

use language_model::inference::Sampling;
use openai_api::{ApiError, Generation, Usage};

use super::Service;
use crate::{
    constraint::Constraint,
    engine::{Events, Job, SubmitError},
    registry::Served,
};

/// A request on its way: one answer for each prompt and choice.
#[derive(Debug)]
pub(super) struct Running {
    /// In the order of the choices' indices.
    pub(super) choices: Vec<Events>,
    pub(super) prompt_tokens: u64,
}

/// What the choices of one request have in common.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) served: Served,
    pub(super) generation: &'a Generation,
    /// Completion tokens where the request names no limit.
    pub(super) default_tokens: u32,
    /// Go on after an end token (vLLM's `ignore_eos`).
    pub(super) ignores_end: bool,
    /// What the answer must be, where not any text.
    pub(super) constraint: Option<Constraint>,
    /// How many alternatives are told for each token; none: no probabilities.
    pub(super) logprobs: Option<usize>,
    /// The field that holds the prompt, for errors.
    pub(super) prompt_param: &'static str,
}

/// Finds the model of a request.
///
/// # Errors
/// 404 where it is not served.
pub(super) fn find_model(service: &Service, generation: &Generation) -> Result<Served, ApiError> {
    let served = service.registry.find(&generation.model);
    served.ok_or_else(|| ApiError::model_not_found(&generation.model))
}

impl Plan<'_> {
    /// Submits one job for each prompt and choice.
    ///
    /// # Errors
    /// 400 where a prompt is empty or too long, or where it asks for more choices than can ever wait; 503 where too much
    /// is waiting. Nothing runs then.
    pub(super) fn start(
        &self,
        service: &Service,
        request_id: &str,
        prompts: Vec<Vec<u32>>,
    ) -> Result<Running, ApiError> {
        let limit = self.served.context_tokens();
        for prompt in &prompts {
            if prompt.is_empty() {
                return Err(ApiError::invalid_param(
                    self.prompt_param,
                    "The prompt is empty.",
                ));
            }
            if prompt.len() >= limit {
                return Err(ApiError::context_length_exceeded(
                    limit,
                    prompt.len(),
                    self.prompt_param,
                ));
            }
        }
        let counters = service.usage_log.open(request_id, &self.served.name);
        let prompt_tokens = prompts.iter().map(|prompt| prompt.len() as u64).sum();
        let asked = self.generation.max_tokens.unwrap_or(self.default_tokens) as usize;
        let mut jobs = Vec::new();
        for prompt in prompts {
            let most_tokens = asked.min(limit - prompt.len());
            for choice in 0..self.generation.n {
                let mut job = Job::new(
                    self.served.clone(),
                    prompt.clone(),
                    most_tokens,
                    counters.start(),
                );
                job.sampling = self.sampling(jobs.len() as u64);
                job.ignores_end = self.ignores_end;
                job.logprobs = self.logprobs;
                job.constraint.clone_from(&self.constraint);
                job.stop.clone_from(&self.generation.stop);
                job.counts_prompt = choice == 0;
                jobs.push(job);
            }
        }
        let choices = service.engine.submit_all(jobs).map_err(refusal)?;
        Ok(Running {
            choices,
            prompt_tokens,
        })
    }

    fn sampling(&self, choice: u64) -> Sampling {
        let generation = self.generation;
        let seed = generation
            .seed
            .map_or_else(rand::random, i64::cast_unsigned);
        Sampling {
            temperature: generation.temperature.unwrap_or(1.0),
            top_p: generation.top_p.unwrap_or(1.0),
            frequency_penalty: generation.frequency_penalty.unwrap_or(0.0),
            presence_penalty: generation.presence_penalty.unwrap_or(0.0),
            // Choices of one request differ, in the same way each time.
            seed: seed.wrapping_add(choice.wrapping_mul(0x9e37_79b9)),
        }
    }
}

/// Sums up what the choices of a request took.
#[derive(Debug)]
pub(super) struct Tally {
    prompt_tokens: u64,
    completion_tokens: Vec<u64>,
}

impl Tally {
    pub(super) fn new(running: &Running) -> Self {
        Self {
            prompt_tokens: running.prompt_tokens,
            completion_tokens: vec![0; running.choices.len()],
        }
    }

    pub(super) fn note(&mut self, choice: usize, completion_tokens: u64) {
        if let Some(tokens) = self.completion_tokens.get_mut(choice) {
            *tokens = completion_tokens;
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage::new(self.prompt_tokens, self.completion_tokens.iter().sum())
    }
}

/// vLLM's extension for measurements.
///
/// # Errors
/// 400 where it is neither true nor false.
pub(super) fn ignores_end(value: Option<&serde_json::Value>) -> Result<bool, ApiError> {
    let is_wrong = || ApiError::invalid_param("ignore_eos", "'ignore_eos' must be true or false.");
    value.map_or(Ok(false), |value| value.as_bool().ok_or_else(is_wrong))
}

/// Refuses fields that would change the answer in a way this server does not know.
///
/// # Errors
/// 400 with the first of them.
pub(super) fn refuse_unknown_abilities<'a>(
    field: impl Fn(&str) -> Option<&'a serde_json::Value>,
    names: &[&str],
) -> Result<(), ApiError> {
    use serde_json::Value;
    for name in names {
        let is_used = match field(name) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Object(map)) => {
                // `{"type": "text"}` asks for what is done anyway.
                !map.is_empty() && map.get("type").and_then(Value::as_str) != Some("text")
            }
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Number(_) | Value::Bool(true)) => true,
        };
        if is_used {
            return Err(ApiError::unsupported_param(
                name,
                format!("'{name}' is not supported by this server."),
            ));
        }
    }
    Ok(())
}

fn refusal(error: SubmitError) -> ApiError {
    match error {
        SubmitError::Full => {
            ApiError::overloaded("Too many requests are waiting; please try again.", 1)
        }
        SubmitError::TooMany { most } => {
            let message = format!(
                "This server makes at most {most} answers to one request, over all of its prompts."
            );
            ApiError::new(400, "invalid_request_error", Some("invalid_value"), message)
        }
        SubmitError::Stopped => ApiError::overloaded("The server is stopping.", 5),
    }
}
