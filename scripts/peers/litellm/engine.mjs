#!/usr/bin/env node
// Prisma's query engine as LiteLLM's Python client expects it: a program that speaks HTTP on the port it is given. The
// native engine is downloaded from a host of its own; the package @prisma/client has the same engine as WebAssembly, and
// this carries requests to it. The client writes GraphQL, which that form of the engine does not read, so requests are
// put into Prisma's JSON protocol and answers back. LiteLLM asks for records in batches and keeps what it looked up, so
// this is not on the way of each request.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

// The client asks for the version before it starts anything; it is the commit of Prisma 5.17.0.
if (process.argv.includes("--version")) {
    console.log("query-engine 393aa359c9ad4a4bb28630fb5613f9c281cde053");
    process.exit(0);
}
// The packages lie where they were installed, not beside this file.
const require = createRequire(`${process.env.LITELLM_ENGINE_PACKAGES}/`);
const { PrismaPg } = require("@prisma/adapter-pg");
const { bindAdapter } = require("@prisma/driver-adapter-utils");
const { Pool } = require("pg");
const runtime = require("@prisma/client/runtime/query_engine_bg.postgresql.js");

const wasm = readFileSync(require.resolve("@prisma/client/runtime/query_engine_bg.postgresql.wasm"));
const { instance } = await WebAssembly.instantiate(wasm, { "./query_engine_bg.js": runtime });
runtime.__wbg_set_wasm(instance.exports);
const datamodel = readFileSync(process.env.PRISMA_DML_PATH, "utf8");
const settings = {
    datamodel,
    logLevel: "error",
    logQueries: false,
    ignoreEnvVarErrors: true,
    datasourceOverrides: {},
    env: process.env,
    configDir: ".",
    engineProtocol: "json",
};
const adapter = bindAdapter(new PrismaPg(new Pool({ connectionString: process.env.DATABASE_URL, max: 8 })));
const engine = new runtime.QueryEngine(settings, (line) => process.stderr.write(`${line}\n`), adapter);
const trace = "{}";
await engine.connect(trace);

const ACTION = /^(createOne|createMany|updateOne|updateMany|upsertOne|deleteOne|deleteMany|findMany|findFirst|findUnique|aggregate|groupBy|queryRaw|executeRaw)(\w*?)(OrThrow)?$/;

// The one form that the client writes: `query { result: findManyUser(where: { … }) { id name } }`. Values are JSON's, but
// for names without quotes and for commas, which may be missing; both are as space to this.
function read(text) {
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}()[\]:]|[^\s{}()[\]:,"]+/gs);
    let at = 0;
    const is = (token) => tokens[at] === token && ++at;

    function value() {
        if (is("{")) return pairs("}");
        if (!is("[")) return JSON.parse(tokens[at++]);
        const list = [];
        while (!is("]")) list.push(value());
        return list;
    }
    function pairs(end) {
        const found = {};
        while (!is(end)) {
            const name = tokens[at++];
            at++; // the colon
            found[name] = value();
        }
        return found;
    }
    function what() {
        const query = { arguments: is("(") ? pairs(")") : {}, selection: {} };
        if (is("{")) while (!is("}")) query.selection[tokens[at++]] = "({".includes(tokens[at]) ? what() : true;
        return query;
    }

    at = tokens.indexOf("result") + 2;
    const [, action, model, orThrow = ""] = tokens[at++].match(ACTION);
    const query = what();
    query.arguments = typed(query.arguments, model);
    return model ? { modelName: model, action: action + orThrow, query } : { action, query };
}

// The types of all fields, by model: `{ User: { id: "String", posts: "Post" } }`.
const TYPES = Object.fromEntries(
    [...datamodel.matchAll(/^model (\w+) \{(.*?)^\}/gms)].map(([, model, fields]) => [
        model,
        Object.fromEntries([...fields.matchAll(/^ +(\w+) +(\w+)/gm)].map(([, name, type]) => [name, type])),
    ]),
);
// GraphQL knows by the field that a text is JSON; in the JSON protocol it would be a text within JSON.
function typed(value, model) {
    if (Array.isArray(value)) return value.map((part) => typed(part, model));
    if (value === null || typeof value !== "object") return value;
    const json = (part) => (typeof part === "string" ? { $type: "Json", value: part } : part);
    const field = ([name, part]) => {
        const type = TYPES[model]?.[name];
        if (type !== "Json") return [name, typed(part, type in TYPES ? type : model)];
        return [name, part?.set === undefined ? json(part) : { set: json(part.set) }];
    };
    return Object.fromEntries(Object.entries(value).map(field));
}

// `{"$type":"DateTime","value":"…"}` to its value, which is what the GraphQL engine gives.
function plain(value) {
    if (Array.isArray(value)) return value.map(plain);
    if (value === null || typeof value !== "object") return value;
    if ("$type" in value) return value.value;
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

function result(answer) {
    if (!answer.data) return answer;
    const [[action, given]] = Object.entries(answer.data);
    return { data: { result: action.endsWith("Raw") ? given : plain(given) } };
}

async function query(body, transaction) {
    const asked = JSON.parse(body);
    const request = asked.batch
        ? { batch: asked.batch.map((one) => read(one.query)), transaction: asked.transaction ? {} : undefined }
        : read(asked.query);
    const answer = JSON.parse(await engine.query(JSON.stringify(request), trace, transaction));
    return JSON.stringify(answer.batchResult ? { batchResult: answer.batchResult.map(result) } : result(answer));
}

async function answer(request, body) {
    if (request.method === "GET") return '{"status":"ok"}';
    const [, area, id, act] = request.url.split("/");
    if (area !== "transaction") return query(body, request.headers["x-transaction-id"]);
    if (id === "start") return engine.startTransaction(body, trace);
    if (act === "commit") return engine.commitTransaction(id, trace);
    return engine.rollbackTransaction(id, trace);
}

const server = createServer(async (request, response) => {
    let body = "";
    try {
        const parts = [];
        // A client that leaves meanwhile is an error here, and of nobody else's request.
        for await (const part of request) parts.push(part);
        body = Buffer.concat(parts).toString();
        const text = await answer(request, body);
        if (process.env.LITELLM_ENGINE_SHOW) console.error(`${body}\n-> ${text}`);
        response.writeHead(200, { "content-type": "application/json" }).end(text || "{}");
    } catch (error) {
        console.error(`${body}\n-> ${error?.stack ?? error}`);
        // Half an answer cannot be taken back.
        if (response.headersSent) response.destroy();
        else response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify({ error: String(error) }));
    }
});
server.listen(Number(process.argv[process.argv.indexOf("-p") + 1]), "localhost");
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
