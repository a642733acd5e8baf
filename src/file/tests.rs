use super::*;
use crate::domain::address_policy::AddressPolicy;

fn parse(name: &str, text: &str) -> File {
    File::parse(name, text, &|name| (name == "SECRET").then(|| "s3cret-value".to_owned()))
}

fn shown(problems: &[FileProblem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn problems_say_file_line_and_key() {
    let file = parse(
        "d.toml",
        "listen = \"127.0.0.1:1\"\n\n[[flow]]\nname = \"a\"\nescallation = 1\n\n[[flow]]\n\
         expire_after = \"1x\"\n\n[[destination]]\nkey = \"crm\"\nkind = \"webhook\"\n\
         urls = [{ url = \"${MISSING}\" }]\nshared_secret = \"${SECRET}\"\n",
    );
    assert_eq!(
        shown(&file.problems),
        [
            "d.toml:5: flow[0].escallation: unknown key `escallation`; did you mean `escalation`?",
            "d.toml:7: flow[1].name: is missing",
            "d.toml:8: flow[1].expire_after: `1x` is not a duration; write a whole number and a unit: 90s, 30m, 2h, 7d",
            "d.toml:13: destination[0].urls[0].url: the environment variable `MISSING` is not set",
        ]
    );
    assert_eq!(file.definitions, []);
    assert_eq!(file.settings.len(), 1, "{:?}", file.settings);
    assert_eq!(file.document["destination"][0]["shared_secret"], "s3cret-value");
}

#[test]
fn faults_of_syntax_have_a_column() {
    let file = parse("d.toml", "a = 1\n[[flow\nname = \"x\"\n");
    let first = file.problems.first().map(ToString::to_string).unwrap_or_default();
    assert!(first.starts_with("d.toml:2:"), "{first}");
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let none = File::load(&directory.path().join("none.toml"), &|_| None);
    assert!(none.problems[0].message.starts_with("can't be opened"), "{none:?}");
    assert_eq!(File::load(directory.path(), &|_| None).problems.len(), 1);
    let path = directory.path().join("latin1.toml");
    fs::write(&path, b"a = 1\nb = \"\xe9\"\n").unwrap();
    assert_eq!(File::load(&path, &|_| None).problems[0].message, "is not UTF-8 (line 2)");
}

#[test]
fn files_are_checked_together() {
    let destinations = parse(
        "a.toml",
        "[[destination]]\nkey = \"crm\"\nkind = \"webhook\"\nurls = [{ url = \"https://x.example\" }]\n\
         [[flow]]\nname = \"f\"\n",
    );
    let audiences = parse(
        "b.toml",
        "[[audience]]\nname = \"A\"\nquery = \"event('A').count() >= 1\"\ndestinations = [\"crm\"]\n\n\
         [[audience]]\nname = \"B\"\nquery = \"event('A').count() >= 1\"\ndestinations = [\n  \"crn\",\n]\n",
    );
    let again = parse("c.toml", "\n[[flow]]\nname = \"f\"\n");
    let bundle = Bundle::new(vec![destinations, audiences, again]);
    assert_eq!(shown(&bundle.problems()), ["c.toml:2: flow[0]: flow `f` is defined in a.toml too"]);
    assert_eq!(bundle.definitions().count(), 5);
    let ends = shown(&bundle.loose_ends(&AddressPolicy::public_only()));
    let expected =
        "b.toml:10: audience[1].destinations[0]: there is no destination `crn`; did you mean `crm`?"
            .to_owned();
    assert!(ends.contains(&expected), "{ends:?}");
}

#[test]
fn what_a_level_names_and_is_not_there_is_where_the_level_is() {
    let level = |after: &str, to: &str| {
        format!(
            "[[flow.escalation]]\nstage = \"s\"\nafter = \"{after}\"\nchannel = \"webhook\"\nto = [\"{to}\"]\n"
        )
    };
    let text = format!("[[flow]]\nname = \"f\"\n{}{}", level("2h", "crn"), level("1h", "crm"));
    let ends = shown(&Bundle::new(vec![parse("d.toml", &text)]).loose_ends(&AddressPolicy::public_only()));
    assert_eq!(
        ends,
        [
            "d.toml:3: flow[0].escalation[0]: level `s` after 2h: there is no destination `crn`",
            "d.toml:8: flow[0].escalation[1]: level `s` after 1h: there is no destination `crm`",
        ]
    );
}
