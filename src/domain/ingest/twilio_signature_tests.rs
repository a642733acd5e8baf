//! The vectors that Twilio's helper libraries publish, and ours.

use super::*;

const TOKEN: &str = "12345";
const PATH: &str = "/myapp.php";
const QUERY: &str = "foo=1&bar=2";

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn call_fields() -> Vec<(String, String)> {
    fields(&[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ])
}

fn check(base: &str, path: &str, query: Option<&str>, body: SignedBody<'_>, signature: &str) -> bool {
    let bases = [Base::from_url(&Url::parse(base).unwrap()).unwrap()];
    let request = SignedRequest { bases: &bases, path, query, userinfo: None, body };
    verify(&["other".to_owned(), TOKEN.to_owned()], signature, &request)
}

#[test]
fn forms_at_every_spelling_of_the_origin() {
    let form = call_fields();
    for (base, signature) in [
        ("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("https://mycompany.com:443", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com:8443", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://user:pass@mycompany.com", "CukzLTc1tT5dXEDIHm/tKBanW10="),
        ("https://user:pass@mycompany.com", "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
        ("https://user:pass@mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://user@mycompany.com", "2YRLlVAflCqxaNicjMpJcSTgzSs="),
    ] {
        assert!(check(base, PATH, Some(QUERY), SignedBody::Form(&form), signature), "{base} {signature}");
    }
    for (base, signature) in [
        ("https://mycompany.com", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("https://mycompany.com", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com", "CukzLTc1tT5dXEDIHm/tKBanW10="),
        ("https://elsewhere.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ] {
        assert!(!check(base, PATH, Some(QUERY), SignedBody::Form(&form), signature), "{base} {signature}");
    }
}

#[test]
fn user_info_of_the_request_is_tried() {
    let (form, bases) = (call_fields(), [Base::from_host("https", "mycompany.com").unwrap()]);
    for (userinfo, signature) in
        [("user:pass", "CukzLTc1tT5dXEDIHm/tKBanW10="), ("user:", "2YRLlVAflCqxaNicjMpJcSTgzSs=")]
    {
        let request = SignedRequest {
            bases: &bases,
            path: PATH,
            query: Some(QUERY),
            userinfo: Some(userinfo),
            body: SignedBody::Form(&form),
        };
        assert!(verify(&[TOKEN.to_owned()], signature, &request), "{userinfo}");
    }
}

#[test]
fn a_prefix_that_a_proxy_cut_off() {
    let form = call_fields();
    let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    assert!(check("https://mycompany.com/myapp.php", "", Some(QUERY), SignedBody::Form(&form), signature));
}

#[test]
fn every_spelling_of_the_query() {
    let (form, query) = (call_fields(), "foo=1&bar=2&Body=It's+amazing");
    for signature in
        ["TfZzewPq8wqrGlMfyAud8+/IvJ0=", "dsq4Ehbj6cs+KdTkpF5sSSplOWw=", "bD9iT2C/HNMwZ/yCH1s/5R2+wUs="]
    {
        assert!(
            check("https://mycompany.com", PATH, Some(query), SignedBody::Form(&form), signature),
            "{signature}"
        );
    }
}

#[test]
fn repeated_fields() {
    let url = "https://mycompany.com";
    let (one, two) =
        (("MessagingBinding.Address", "+1325xxxxxxx"), ("MessagingBinding.Address", "+1415xxxxxxx"));
    for form in [fields(&[one, two]), fields(&[two, one])] {
        assert!(check(url, PATH, Some(QUERY), SignedBody::Form(&form), "83O6e2vORAoJHUNzJjDWN1jz+BA="));
    }
    let form = fields(&[
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ]);
    assert!(check(url, PATH, Some(QUERY), SignedBody::Form(&form), "IK+Dwps556ElfBT0I3Rgjkr1wJU="));
}

#[test]
fn bodies_by_their_hash() {
    let body = br#"{"property": "value", "boolean": true}"#;
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let with = |hash: &str| format!("foo=1&bar=2&bodySHA256={hash}");
    let url = "https://mycompany.com";
    let good = |query: &str, body: &[u8], signature: &str| {
        check(url, PATH, Some(query), SignedBody::Raw(body), signature)
    };
    assert!(good(&with(hash), body, "a9nBmqA0ju/hNViExpshrM61xv4="));
    assert!(good(&format!("bodySHA256={hash}"), body, "y77kIzt2vzLz71DgmJGsen2scGs="));
    assert!(good(&with(empty), b"{}", "Ldidvp12m26NI7eqEvxnEpkd9Hc="));
    assert!(good(&with(empty), b"{}", "rw/jVviOgicj2+kHZULvebnA4ag="));

    // A signed URL with a body of somebody's own.
    assert!(!good(&with(hash), br#"{"property": "other"}"#, "a9nBmqA0ju/hNViExpshrM61xv4="));
    assert!(!good(&with(empty), body, "a9nBmqA0ju/hNViExpshrM61xv4="));
    assert!(!good(&with(&hash.to_uppercase()), body, "a9nBmqA0ju/hNViExpshrM61xv4="));
    // A form's signature with JSON and no hash.
    assert!(!good(QUERY, body, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    assert!(!good("", b"{}", "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
}

#[test]
fn stage_posts() {
    let (url, path) = ("https://stagepost.example.com", "/studio/wk_studio");
    let form = fields(&[
        ("userID", "u1"),
        ("phoneNumber", "+14155550100"),
        ("flow", "appointment_confirmation"),
        ("stage", "no_reply"),
    ]);
    for signature in ["yXFzrZFZGyY5ZKpVOl/yYRFfHwI=", "ei0LPM6BZs7CMpp5EjCIP29VN+M="] {
        assert!(check(url, path, None, SignedBody::Form(&form), signature));
    }
    let query = "userID=u1&phoneNumber=%2B14155550100&flow=appointment_confirmation&stage=no_reply";
    assert!(check(url, path, Some(query), SignedBody::None, "Bix0/dbRGMwEB7n6Swrm84bKh08="));
    let body = br#"{"userID":"u1","phoneNumber":"+14155550100","flow":"appointment_confirmation","stage":"no_reply"}"#;
    let query = "bodySHA256=867ddfd1cc827924e1f5746b82a956655ff5112d96427de848a3d60530178e0a";
    assert!(check(url, path, Some(query), SignedBody::Raw(body), "jYxb93uqLzWZxx1yuigEcTjkcP0="));
}

#[test]
fn nothing_else_passes() {
    let form = call_fields();
    for signature in ["", "=", "RSOYDt4T1cUTdK1PDd93/VVr8B9=", "RSOYDt4T1cUTdK1PDd93", "not base 64!"] {
        assert!(!check("https://mycompany.com", PATH, Some(QUERY), SignedBody::Form(&form), signature));
    }
    let bases = [Base::from_host("https", "mycompany.com").unwrap()];
    let request = SignedRequest {
        bases: &bases,
        path: PATH,
        query: Some(QUERY),
        userinfo: None,
        body: SignedBody::Form(&form),
    };
    assert!(!verify(&[], "RSOYDt4T1cUTdK1PDd93/VVr8B8=", &request));
    let nowhere = SignedRequest { bases: &[], ..request };
    assert!(!verify(&[TOKEN.to_owned()], "RSOYDt4T1cUTdK1PDd93/VVr8B8=", &nowhere));
    assert_eq!(Base::from_host("https", "a b"), None);
}
