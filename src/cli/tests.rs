use std::fs;

use clap::CommandFactory;

use super::*;

fn serve_arguments(line: &[&str]) -> ServeArguments {
    let arguments = Arguments::try_parse_from(line).unwrap();
    match arguments.command {
        None => arguments.serve,
        Some(Command::Serve(arguments)) => arguments,
        Some(
            Command::Check(_)
            | Command::Apply(_)
            | Command::Copy(_)
            | Command::People(_)
            | Command::Presets(_)
            | Command::Demo(_)
            | Command::Studio(_),
        ) => {
            panic!("another command")
        }
    }
}

#[test]
fn serve_is_what_happens_without_a_command() {
    Arguments::command().debug_assert();
    let flags = ["--listen", "0.0.0.0:80", "--definitions", "a", "--definitions", "b", "--data-dir", "d"];
    for words in [&["stagepost"][..], &["stagepost", "serve"]] {
        let arguments = serve_arguments(&[words, &flags].concat());
        assert_eq!(arguments.definitions, [PathBuf::from("a"), "b".into()]);
        assert_eq!(arguments.settings(), [("data_dir", "d".to_owned()), ("listen", "0.0.0.0:80".to_owned())]);
    }
    assert!(Arguments::try_parse_from(["stagepost", "check"]).is_err());
    assert!(Arguments::try_parse_from(["stagepost", "apply", "f", "--prune", "--dry-run"]).is_ok());
}

#[test]
fn a_config_file_may_hold_definitions() {
    let directory = tempfile::tempdir().unwrap();
    let (config, more) = (directory.path().join("stagepost.toml"), directory.path().join("more.toml"));
    let prepared = |line: &[&str]| {
        let paths = [config.to_str().unwrap(), more.to_str().unwrap()];
        let words: Vec<&str> = line
            .iter()
            .map(|word| match *word {
                "CONFIG" => paths[0],
                "MORE" => paths[1],
                word => word,
            })
            .collect();
        prepare(&serve_arguments(&words), &[])
    };
    fs::write(&config, "log_format = \"json\"\n").unwrap();
    fs::write(&more, "[[flow]]\nname = \"g\"\n").unwrap();
    assert!(prepared(&["stagepost"]).unwrap().definitions.is_none());
    assert!(prepared(&["stagepost", "--config", "CONFIG"]).unwrap().definitions.is_none());
    let both = ["stagepost", "--config", "CONFIG", "--definitions", "MORE"];
    assert_eq!(prepared(&both).unwrap().definitions.map(|d| d.len()), Some(1));

    fs::write(&config, "log_format = \"json\"\n[[flow]]\nname = \"f\"\n").unwrap();
    assert_eq!(prepared(&both).unwrap().definitions.map(|d| d.len()), Some(2));

    fs::write(&config, "log_format = \"xml\"\n[[flow]]\nname = \"g\"\n").unwrap();
    fs::write(&more, "listen = \"127.0.0.1:1\"\n[[flow]]\nname = \"g\"\n").unwrap();
    let problems: Vec<String> = prepared(&both)
        .unwrap_err()
        .iter()
        .map(|problem| problem.to_string().replace(&shown(directory.path()), ""))
        .collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(problems[0], "/stagepost.toml:1: log_format: must be text or json");
    assert_eq!(
        problems[1],
        "/more.toml:1: listen: is a setting, and has no effect here; give the file with --config"
    );
    assert!(problems[2].starts_with("/more.toml:2: flow[0]: flow `g` is defined in "), "{problems:?}");
}

#[test]
fn settings_and_definitions_are_checked_together() {
    let text = "lisen = \"x\"\n[[flow]]\nname = \"f\"\n[[audience]]\nname = \"A\"\n\
                query = \"event('A').count() >= 1\"\ndestinations = [\"crm\"]\n";
    let check = |text: &str| check::check(&Bundle::new(vec![File::parse("d.toml", text, &|_| None)]), &[]);
    let problems: Vec<String> = check(text).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "d.toml:1: lisen: unknown key `lisen`; did you mean `listen`?",
            "d.toml:7: audience[0].destinations[0]: there is no destination `crm`",
        ]
    );
    let good = "log = \"debug\"\n[[flow]]\nname = \"f\"\n[[flow]]\nname = \"g\"\n";
    assert_eq!(
        check(good).unwrap(),
        "0 sources, 0 teams, 2 flows, 0 destinations, 0 audiences, 0 traits, 1 setting"
    );
}

#[test]
fn templates_are_checked_as_at_the_start() {
    let text = "[[flow]]\nname = \"f\"\n[[flow.escalation]]\nstage = \"s\"\nafter = \"1m\"\nchannel = \"email\"\n\
                to = [\"a@example.com\"]\ntemplate = \"stalld\"\n";
    let check = |text: &str, environment: &[(String, String)]| {
        check::check(&Bundle::new(vec![File::parse("d.toml", text, &|_| None)]), environment)
    };
    let problems: Vec<String> = check(text, &[]).unwrap_err().iter().map(ToString::to_string).collect();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.starts_with("d.toml:1: flow[0]: flow f: template `stalld` can't be used"), "{problem}");
    assert!(problem.ends_with("did you mean `stalled`?"), "{problem}");
    // In the folder that the server is to have, there is one.
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("email/stalld");
    fs::create_dir_all(&own).unwrap();
    for part in ["subject.txt", "body.txt", "body.html"] {
        fs::write(own.join(part), "stalled").unwrap();
    }
    let folder = folder.path().display().to_string();
    assert!(check(text, &[("STAGEPOST_TEMPLATES_DIR".to_owned(), folder)]).is_ok());
}

#[test]
fn addresses_are_checked_by_the_setting_of_the_file_or_the_environment() {
    let check = |texts: &[&str], environment: &[(String, String)]| {
        let files = texts.iter().map(|text| File::parse("d.toml", text, &|_| None)).collect();
        let found = check::check(&Bundle::new(files), environment);
        found.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let private =
        "[[destination]]\nkey = \"crm\"\nkind = \"webhook\"\nurls = [{ url = \"http://10.0.0.1/\" }]\n";
    let problems = check(&[private], &[]).unwrap_err();
    assert!(problems[0].starts_with("d.toml:4: destination[0].urls[0].url: 10.0.0.1 "), "{problems:?}");
    assert!(problems[0].contains("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS"), "{problems:?}");
    let setting = "allow_private_destinations = [\"10.0.0.0/8\"]\n";
    assert!(check(&[&format!("{setting}{private}")], &[]).is_ok());
    assert!(check(&[setting, "log = \"debug\"\n", private], &[]).is_ok());
    let environment = [("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS".to_owned(), "true".to_owned())];
    assert!(check(&[private], &environment).is_ok());
    let wrong = check(&[&format!("allow_private_destinations = 7\n{private}")], &[]).unwrap_err();
    assert_eq!(wrong.len(), 1, "the setting is the problem: {wrong:?}");
}
