//! Who is in the demo: users of the clinic and its shop, and the people who work there.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};

use crate::domain::people::Role;

const FIRST: [&str; 32] = [
    "Emma", "Louis", "Olivia", "Noah", "Marie", "Arthur", "Lina", "Jules", "Nora", "Adam", "Louise", "Lucas",
    "Mila", "Victor", "Julia", "Liam", "Zoë", "Gabriel", "Sara", "Hugo", "Yasmine", "Mathis", "Fatima",
    "Elias", "Anouk", "Bram", "Femke", "Joris", "Ilse", "Pieter", "Chloé", "Youssef",
];
const LAST: [&str; 28] = [
    "Peeters",
    "Janssens",
    "Maes",
    "Jacobs",
    "Mertens",
    "Willems",
    "Claes",
    "Goossens",
    "Wouters",
    "De Smet",
    "Dubois",
    "Lambert",
    "Martin",
    "Dupont",
    "Simon",
    "Laurent",
    "Leroy",
    "Lemmens",
    "Van Damme",
    "De Clercq",
    "Verhoeven",
    "Haddad",
    "El Amrani",
    "Yilmaz",
    "Nguyen",
    "Kowalski",
    "Rossi",
    "Diallo",
];
const CITIES: [&str; 8] = ["Brugge", "Gent", "Antwerpen", "Leuven", "Brussel", "Namur", "Liège", "Kortrijk"];
const PLANS: [&str; 3] = ["basic", "plus", "family"];

/// Who signs in to the console: name, address, role. The first one is the admin.
pub(super) const STAFF: [(&str, &str, Role); 6] = [
    ("Lien De Smet", "lien.desmet@clinic.example", Role::Admin),
    ("Ann Peeters", "ann.peeters@clinic.example", Role::Operator),
    ("Karim Haddad", "karim.haddad@clinic.example", Role::Operator),
    ("Sofie Maes", "sofie.maes@clinic.example", Role::Operator),
    ("Tom Claes", "tom.claes@clinic.example", Role::Marketer),
    ("Julie Martin", "julie.martin@clinic.example", Role::Viewer),
];
/// Those among them who act on stalls.
pub(super) const DESK: [usize; 3] = [1, 2, 3];
/// Who runs the clinic's campaigns.
pub(super) const MARKETER: usize = 4;

/// One user.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub id: String,
    pub phone: String,
    traits: Map<String, Value>,
    /// How often he is in the shop, in comparison with others.
    pub keenness: f64,
}

impl User {
    /// What an identify call says of him.
    pub fn traits(&self) -> Map<String, Value> {
        self.traits.clone()
    }

    /// So many of them.
    pub fn all(count: usize, random: &mut StdRng) -> Vec<Self> {
        (0..count).map(|number| Self::new(number, random)).collect()
    }

    fn new(number: usize, random: &mut StdRng) -> Self {
        let (first, last) = (pick(&FIRST, random), pick(&LAST, random));
        let phone = format!("+3247{:07}", 1_000_000 + number * 37);
        let plain = |name: &str| name.to_lowercase().replace(|c: char| !c.is_ascii_alphabetic(), "");
        let mail = format!("{}.{}{number}@example.com", plain(first), plain(last));
        let traits = json!({
            "firstName": first,
            "lastName": last,
            "email": mail,
            "phone": phone,
            "city": pick(&CITIES, random),
            "plan": pick(&PLANS, random),
        });
        let Value::Object(traits) = traits else { unreachable!("it is written as an object") };
        // Most come now and then, some all the time.
        let keenness = random.random_range(0.05..1.0_f64).powi(2);
        Self { id: format!("p{:04}", 1000 + number), phone, traits, keenness }
    }
}

/// One of `from`, which is not empty.
pub(super) fn pick<'a, T: ?Sized>(from: &[&'a T], random: &mut StdRng) -> &'a T {
    from.choose(random).copied().unwrap_or(from[0])
}
