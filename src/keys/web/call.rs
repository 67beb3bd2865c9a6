//! How a program asks a model, in the three ways that people copy.

/// One call, as text.
pub(super) struct Call {
    pub(super) curl: String,
    pub(super) python: String,
    pub(super) javascript: String,
}

/// The shortest call of a chat; `static/playground.js` writes the same with what was typed.
pub(super) fn call(origin: &str, model: &str) -> Call {
    Call {
        curl: format!(
            "curl {origin}/v1/chat/completions \\\n  -H \"Authorization: Bearer $GPTNL_KEY\" \\\n  \
             -H \"Content-Type: application/json\" \\\n  \
             -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hallo!\"}}]}}'"
        ),
        python: format!(
            "import os\nfrom openai import OpenAI\n\nclient = OpenAI(\n    base_url=\"{origin}/v1\",\n    \
             api_key=os.environ[\"GPTNL_KEY\"],\n)\nanswer = client.chat.completions.create(\n    \
             model=\"{model}\",\n    messages=[{{\"role\": \"user\", \"content\": \"Hallo!\"}}],\n)\n\
             print(answer.choices[0].message.content)"
        ),
        javascript: format!(
            "import OpenAI from \"openai\";\n\nconst client = new OpenAI({{\n  baseURL: \"{origin}/v1\",\n  \
             apiKey: process.env.GPTNL_KEY,\n}});\nconst answer = await client.chat.completions.create({{\n  \
             model: \"{model}\",\n  messages: [{{ role: \"user\", content: \"Hallo!\" }}],\n}});\n\
             console.log(answer.choices[0].message.content);"
        ),
    }
}
