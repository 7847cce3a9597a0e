//! `questions` and `answer`.

use sync_core::{Error, ErrorKind, QuestionId, Result, Scope};
use sync_dispatch::LabelledQuestion;

use super::{settings::person, sync::name};
use crate::{
    app::{App, Make, Workbench},
    args::{AnswerArgs, QuestionsArgs},
    exit::Exit,
    output::count,
};

/// Questions that are read at once.
const PAGE: usize = 500;

/// Lists questions.
pub(super) async fn list(app: &App, args: &QuestionsArgs) -> Result<Exit> {
    let organization = app.config.organization()?;
    let bench = app.open(Make::No).await?;
    let done = async {
        let mut found = Vec::new();
        for scope in bench.scopes(&organization, args.integration.as_deref()).await? {
            let questions = bench.dispatcher.questions(&scope, !args.all, None, args.limit).await?;
            found.push((scope, questions));
        }
        Ok(found)
    };
    let found: Result<Vec<(Scope, Vec<LabelledQuestion>)>> = done.await;
    bench.close().await;
    let found = found?;
    let all: Vec<_> = found
        .iter()
        .flat_map(|(scope, questions)| {
            questions.iter().map(|question| serde_json::json!({"integration": scope.integration, "question": question}))
        })
        .collect();
    app.out.document(&all);
    if all.is_empty() {
        app.out.say("Nothing waits for an answer.");
    }
    for (scope, questions) in &found {
        for question in questions {
            tell(app, scope, question);
        }
        if questions.len() == args.limit {
            app.out.say(format!("The first {}; show more with --limit.", count(args.limit as u64, "question", "questions")));
        }
    }
    if let Some((scope, _)) = found.iter().find(|(_, questions)| !questions.is_empty()) {
        app.out.say(format!(
            "Answer with: syncctl answer {} QUESTION ANSWER --org {} (QUESTION may be all)",
            scope.integration, scope.organization
        ));
    }
    Ok(Exit::Done)
}

fn tell(app: &App, scope: &Scope, labelled: &LabelledQuestion) {
    let out = app.out;
    let question = &labelled.question;
    out.say(format!("{}  {} ({})", question.id, question.prompt, question.code));
    let names: Vec<String> = question
        .locals
        .iter()
        .zip(&labelled.labels)
        .map(|(id, label)| label.clone().unwrap_or_else(|| id.as_str().to_owned()))
        .collect();
    out.say(format!("    {}: {}", name(scope), names.join(", ")));
    for option in &question.options {
        let chosen = question.answer.as_ref().is_some_and(|answer| answer.key == option.key);
        out.say(format!("    {} {}  {}", if chosen { "→" } else { " " }, option.key, option.label));
    }
}

/// Answers a question, or all of a kind.
pub(super) async fn answer(app: &App, args: &AnswerArgs) -> Result<Exit> {
    let scope = app.scope(&args.integration)?;
    let bench = app.open(Make::No).await?;
    let done = answer_in(&bench, &scope, args).await;
    bench.close().await;
    let answered = done?;
    app.out.document(&serde_json::json!({"success": true, "answered": answered}));
    app.out.say(format!(
        "{} answered with {}; what waited goes with the next sync.",
        count(answered.len() as u64, "question is", "questions are"),
        args.answer
    ));
    Ok(Exit::Done)
}

async fn answer_in(bench: &Workbench, scope: &Scope, args: &AnswerArgs) -> Result<Vec<QuestionId>> {
    bench.connection(scope).await?;
    let is_all = args.question == "all";
    // An answer may be changed, so a single question need not be open.
    let chosen = all(bench, scope, is_all).await?;
    let chosen: Vec<_> = chosen
        .into_iter()
        .filter(|question| args.code.as_ref().is_none_or(|code| *code == question.question.code))
        .filter(|question| {
            if is_all {
                question.question.options.iter().any(|option| option.key == args.answer)
            } else {
                question.question.id.as_str().starts_with(&args.question)
            }
        })
        .collect();
    if chosen.is_empty() {
        let wanted =
            if is_all { format!("question with the answer {}", args.answer) } else { format!("question {}", args.question) };
        return Err(Error::new(ErrorKind::NotFound, format!("there is no {wanted}"))
            .with_remedy(format!("List them with: syncctl questions {} --org {}", scope.integration, scope.organization)));
    }
    if !is_all && chosen.len() > 1 {
        let ids: Vec<&str> = chosen.iter().map(|question| question.question.id.as_str()).collect();
        return Err(Error::new(ErrorKind::Invalid, "several questions begin so")
            .with_remedy(format!("Give more of the id: {}.", ids.join(", "))));
    }
    let mut answered = Vec::new();
    for question in chosen {
        let options = &question.question.options;
        if !options.iter().any(|option| option.key == args.answer) {
            let keys: Vec<&str> = options.iter().map(|option| option.key.as_str()).collect();
            return Err(Error::new(ErrorKind::Invalid, format!("{} is no answer to this question", args.answer))
                .with_remedy(format!("Use one of: {}.", keys.join(", "))));
        }
        bench.dispatcher.answer(scope, &question.question.id, &args.answer, &person()).await?;
        answered.push(question.question.id);
    }
    Ok(answered)
}

async fn all(bench: &Workbench, scope: &Scope, open: bool) -> Result<Vec<LabelledQuestion>> {
    let mut questions: Vec<LabelledQuestion> = Vec::new();
    loop {
        let after = questions.last().map(|question| question.question.id.clone());
        let page = bench.dispatcher.questions(scope, open, after.as_ref(), PAGE).await?;
        let n_rows = page.len();
        questions.extend(page);
        if n_rows < PAGE {
            return Ok(questions);
        }
    }
}
