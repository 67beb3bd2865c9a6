#!/usr/bin/env node
// Checks an OpenAI-compatible endpoint with the stock `openai` SDK for JavaScript (6.x and 7.x), as check.py does with those
// for Python: the same settings, the same checks by the same names, the same way of telling. One setting more:
//
//     OPENAI_MODULE   what to import as the SDK; "openai" if it is not set. The program that tests/sdk/setup prints sets it.
import { pathToFileURL } from "node:url";

const MAX_TOKENS = 32;
const TIMEOUT_MILLISECONDS = 120_000;

const { OPENAI_MODULE } = process.env;
const sdk = await import(OPENAI_MODULE ? pathToFileURL(OPENAI_MODULE).href : "openai");
const OpenAI = sdk.default;

/** A check did not hold; the text says what was seen. */
class CheckFailed extends Error {}

function expect(holds, seen) {
    if (!holds) throw new CheckFailed(seen);
}

function same(left, right) {
    return JSON.stringify(left) === JSON.stringify(right);
}

function setting(name) {
    const value = process.env[name];
    if (!value) {
        console.error(`${name} is not set; see the head of check.py`);
        process.exit(2);
    }
    return value;
}

const baseURL = setting("OPENAI_BASE_URL");
const model = setting("MODEL");
const nowhere = `${model}-that-does-not-exist`;
const client = clientWith(setting("OPENAI_API_KEY"));

// Without retries an answer is judged as it came; the SDK would repeat a 429 by itself.
function clientWith(apiKey) {
    return new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: TIMEOUT_MILLISECONDS });
}

function question(changes) {
    const messages = [{ role: "user", content: setting("PROMPT") }];
    return { model, messages, max_tokens: MAX_TOKENS, temperature: 0, ...changes };
}

function chat(changes = {}, as = client) {
    return as.chat.completions.create(question(changes));
}

function complete(changes = {}) {
    const prompt = setting("PROMPT");
    return client.completions.create({ model, prompt, max_tokens: MAX_TOKENS, temperature: 0, ...changes });
}

async function wholeChat(of) {
    const answer = await chat({ model: of });
    expect(answer.object === "chat.completion", `object is ${answer.object}`);
    expect(answer.choices.length === 1, `${answer.choices.length} choices`);
    const [choice] = answer.choices;
    expect(choice.message.role === "assistant", `role is ${choice.message.role}`);
    expect(choice.message.content?.trim(), "the answer is empty");
    expectEnd(choice.finish_reason);
    expectUsage(answer.usage);
    return usageText(answer.usage);
}

/** What a stream with usage says: its text in pieces, and its usage. */
async function streamed(chunks, object, textOf) {
    const pieces = [];
    let usage = null;
    let end = null;
    for await (const chunk of chunks) {
        expect(chunk.object === object, `object is ${chunk.object}`);
        expect(usage === null, "a chunk came after the usage");
        if (chunk.usage) {
            usage = chunk.usage;
            expect(chunk.choices.length === 0, "the chunk with usage has choices");
        }
        for (const choice of chunk.choices) {
            pieces.push(textOf(choice) ?? "");
            end = choice.finish_reason ?? end;
        }
    }
    expect(pieces.join("").trim(), "the streamed answer is empty");
    expectEnd(end);
    expectUsage(usage);
    return `${pieces.length} pieces, ${usageText(usage)}`;
}

/** The vectors, in the order of the texts, and the usage. */
async function embed(input, more = {}) {
    const answer = await client.embeddings.create({ model, input, ...more });
    expect(answer.object === "list", `object is ${answer.object}`);
    expect(answer.data.every((one, at) => one.index === at), "they are out of order");
    const vectors = answer.data.map((one) => one.embedding);
    for (const vector of vectors) {
        const isVector = Array.isArray(vector) && vector.length > 0 && vector.every(Number.isFinite);
        expect(isVector, `a vector is ${JSON.stringify(vector)}`);
    }
    const { usage } = answer;
    expect(usage.prompt_tokens > 0, `prompt_tokens is ${usage.prompt_tokens}`);
    expect(usage.total_tokens === usage.prompt_tokens, `total_tokens is ${usage.total_tokens}`);
    return { vectors, usage };
}

function expectEnd(reason) {
    expect(["stop", "length"].includes(reason), `finish_reason is ${reason}`);
}

function expectUsage(usage) {
    expect(usage, "there is no usage");
    const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage;
    expect(prompt > 0, `prompt_tokens is ${prompt}`);
    const fits = completion > 0 && completion <= MAX_TOKENS;
    expect(fits, `completion_tokens is ${completion}, asked for at most ${MAX_TOKENS}`);
    expect(total === prompt + completion, `total_tokens ${total} is not ${prompt} + ${completion}`);
}

function usageText({ prompt_tokens: prompt, completion_tokens: completion, total_tokens: total }) {
    return `${prompt} + ${completion} = ${total} tokens`;
}

/** The error that `call` fails with, which must be of exactly this class of the SDK. */
async function errorOf(kind, status, code, call) {
    try {
        await call();
    } catch (error) {
        if (!(error instanceof OpenAI.OpenAIError)) throw error;
        expect(error.constructor === kind, `${error.constructor.name} instead of ${kind.name}: ${error}`);
        expect(error.status === status, `status ${error.status}`);
        expect(code === null || error.code === code, `code is ${error.code}`);
        expect(error.error?.message, `the error has no message: ${JSON.stringify(error.error)}`);
        expect(error.type, `the error has no type: ${JSON.stringify(error.error)}`);
        expect(error.requestID, "the error has no request id");
        return `${kind.name}, type ${error.type}, code ${error.code}`;
    }
    throw new CheckFailed(`no error instead of ${kind.name}`);
}

// In the order in which they run, except `embeddings`, which wants another model.
const checks = {
    async models_list() {
        const ids = [];
        for await (const one of client.models.list()) ids.push(one.id);
        for (const name of [model, setting("BASE_MODEL")]) expect(ids.includes(name), `${name} is not in ${ids}`);
        return `${ids.length} models`;
    },
    async models_retrieve() {
        const names = [model, setting("BASE_MODEL")];
        for (const name of names) {
            const found = await client.models.retrieve(name);
            expect(found.id === name, `asked for ${name}, got ${found.id}`);
            expect(found.object === "model", `object is ${found.object}`);
        }
        return names.join(", ");
    },
    chat_tuned: () => wholeChat(model),
    chat_base: () => wholeChat(setting("BASE_MODEL")),
    async chat_stream() {
        const chunks = await chat({ stream: true, stream_options: { include_usage: true } });
        return streamed(chunks, "chat.completion.chunk", (choice) => choice.delta.content);
    },
    async stream_without_usage() {
        const chunks = [];
        for await (const chunk of await chat({ stream: true })) chunks.push(chunk);
        const text = chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.delta.content ?? "");
        expect(text.join("").trim(), "the streamed answer is empty");
        expect(chunks.every((chunk) => !chunk.usage), "usage was sent without being asked for");
        return `${chunks.length} chunks`;
    },
    // The SDK's own way of putting the chunks together, which takes less on trust.
    async stream_helper() {
        const stream = client.chat.completions.stream(question({ stream_options: { include_usage: true } }));
        let text = "";
        stream.on("content", (piece) => (text += piece));
        const answer = await stream.finalChatCompletion();
        const [{ message, finish_reason: end }] = answer.choices;
        expect(text.trim() && text === message.content, `${message.content} of ${text}`);
        expectEnd(end);
        expectUsage(await stream.totalUsage());
        return `${text.length} characters`;
    },
    async completion() {
        const answer = await complete();
        expect(answer.object === "text_completion", `object is ${answer.object}`);
        expect(answer.choices[0]?.text.trim(), "the completion is empty");
        expectUsage(answer.usage);
        return usageText(answer.usage);
    },
    async completion_stream() {
        const chunks = await complete({ stream: true, stream_options: { include_usage: true } });
        return streamed(chunks, "text_completion", (choice) => choice.text);
    },
    async embeddings() {
        const texts = ["een twee", "drie"];
        // The SDK asks for base64 by itself and makes numbers of it.
        const { vectors, usage } = await embed(texts);
        expect(!same(vectors[0], vectors[1]), `both texts are ${vectors[0]}`);
        const plain = await embed(texts, { encoding_format: "float" });
        expect(same(plain.vectors, vectors), `${plain.vectors} as numbers, ${vectors} in base64`);
        expect(same(plain.usage, usage), "another usage as numbers than in base64");
        const one = await embed(texts[1]);
        expect(same(one.vectors, vectors.slice(1)), `${one.vectors} alone, ${vectors[1]} beside another`);
        const two = await embed([[1, 2, 3], [4]]);
        expect(two.vectors.length === 2, "two lists of token ids have not two vectors");
        const ids = await embed([1, 2, 3]);
        expect(ids.vectors.length === 1, "a list of token ids has not one vector");
        return `${vectors[0].length} numbers for a text, ${usage.total_tokens} tokens`;
    },
    no_embeddings: () =>
        errorOf(OpenAI.BadRequestError, 400, "model_has_no_embeddings", () =>
            client.embeddings.create({ model, input: setting("PROMPT") }),
        ),
    wrong_key: () =>
        errorOf(OpenAI.AuthenticationError, 401, "invalid_api_key", () =>
            chat({}, clientWith("sk-this-key-was-never-issued")),
        ),
    unknown_model: () => errorOf(OpenAI.NotFoundError, 404, "model_not_found", () => chat({ model: nowhere })),
    unknown_model_retrieve: () => errorOf(OpenAI.NotFoundError, 404, null, () => client.models.retrieve(nowhere)),
    exhausted_quota: () =>
        errorOf(OpenAI.RateLimitError, 429, "insufficient_quota", () =>
            chat({}, clientWith(setting("EXHAUSTED_KEY"))),
        ),
    bad_request: () => errorOf(OpenAI.BadRequestError, 400, null, () => chat({ messages: [] })),
    bad_temperature: () => errorOf(OpenAI.BadRequestError, 400, null, () => chat({ temperature: 99 })),
    // The refusals above must not have spent or locked the good key.
    still_answers: () => wholeChat(model),
};

const given = process.argv.slice(2);
const names = given.length > 0 ? given : Object.keys(checks).filter((name) => name !== "embeddings");
for (const name of names) {
    try {
        console.log(`ok ${name}: ${await checks[name]()}`);
    } catch (error) {
        const isOurs = error instanceof CheckFailed || error instanceof OpenAI.OpenAIError;
        // A malformed answer can break the SDK itself.
        const said = isOurs ? `${error.constructor.name}: ${error.message}` : `the SDK could not read the answer: ${error.stack}`;
        console.error(`failed ${name}: ${said}`);
        process.exit(1);
    }
}
console.log(`ok all ${names.length} checks with openai ${sdk.version ?? "of npm"}`);
