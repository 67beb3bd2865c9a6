//! Choosing among answers by how likely the model finds each.

use language_model::{Document, Tokenizer, tokenizer::TokenizerError};

use super::{EvaluateError, subject::Subject};

/// Answers are compared by their log-probability for each token, so that a long one is not at a disadvantage.
pub(super) fn likeliest(
    subject: &mut Subject,
    prompt: &str,
    answers: &[String],
) -> Result<usize, EvaluateError> {
    let most = subject.most_tokens();
    let documents: Result<Vec<Document>, TokenizerError> = answers
        .iter()
        .map(|answer| document(subject.tokenizer(), prompt, answer, most))
        .collect();
    let documents = documents.map_err(|error| EvaluateError::Items {
        file: "a task",
        problem: error.to_string(),
    })?;
    let scores = subject.log_probabilities(&documents)?;
    let each = scores
        .iter()
        .zip(&documents)
        .map(|(score, document)| score / document.targets().max(1) as f64);
    let best = each
        .enumerate()
        // The first of equals: a strict comparison.
        .fold((0, f64::NEG_INFINITY), |best, (place, score)| {
            if score > best.1 { (place, score) } else { best }
        });
    Ok(best.0)
}

/// The prompt and an answer behind it, of which the answer alone counts; a prompt that is too long loses its start.
pub(super) fn document(
    tokenizer: &Tokenizer,
    prompt: &str,
    answer: &str,
    most_tokens: usize,
) -> Result<Document, TokenizerError> {
    let bos = tokenizer.leading_bos().or(Some(tokenizer.end()));
    let mut tokens: Vec<u32> = bos.into_iter().collect();
    tokens.extend(tokenizer.encode(prompt)?);
    let answer = tokenizer.encode(answer)?;
    let room = most_tokens.saturating_sub(answer.len()).max(1);
    let start = tokens.len().saturating_sub(room);
    tokens.drain(..start);
    let prompt = tokens.len();
    tokens.extend(answer);
    let is_target = (0..tokens.len()).map(|place| place >= prompt).collect();
    Ok(Document { tokens, is_target })
}
