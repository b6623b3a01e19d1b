//! What the application shows to its users.

/// A flow, web or mobile.
pub(crate) struct Flow {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) version: i64,
    /// How many of 100 users go on from each step.
    pub(crate) go_on: usize,
    pub(crate) steps: usize,
    /// The step with the form, and what it asks.
    pub(crate) form: Option<(usize, &'static [Question])>,
}

/// A question of a form, and what people answer.
pub(crate) struct Question {
    pub(crate) id: &'static str,
    pub(crate) label: &'static str,
    pub(crate) answers: &'static [&'static str],
}

pub(crate) struct Checklist {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) items: &'static [(&'static str, &'static str)],
}

const VERSION: i64 = 1_759_312_800_000;

const ROLE: &[Question] = &[
    Question {
        id: "role",
        label: "What is your role?",
        answers: &["Product", "Support", "Sales", "Engineering", "Führung"],
    },
    Question {
        id: "goals",
        label: "What do you want to do first?",
        answers: &[
            "Build a report",
            "Invite my team",
            "Build a report\nInvite my team",
        ],
    },
];

const REASON: &[Question] = &[Question {
    id: "reason",
    label: "Why did you come back?",
    answers: &["Price", "A colleague", "It's the \"export\"", "新機能"],
}];

pub(crate) const WEB_FLOWS: &[Flow] = &[
    Flow {
        id: "welcome-tour",
        name: "Welcome tour",
        version: VERSION,
        go_on: 85,
        steps: 4,
        form: Some((1, ROLE)),
    },
    Flow {
        id: "report-builder",
        name: "Report builder",
        version: VERSION + 1,
        go_on: 75,
        steps: 3,
        form: None,
    },
    Flow {
        id: "pricing-news",
        name: "Pricing news",
        version: VERSION + 2,
        go_on: 45,
        steps: 1,
        form: None,
    },
    Flow {
        id: "comeback",
        name: "Welcome back",
        version: VERSION + 3,
        go_on: 60,
        steps: 2,
        form: Some((0, REASON)),
    },
];

pub(crate) const MOBILE_FLOWS: &[Flow] = &[
    Flow {
        id: "7f0c7a52-6a0e-4a38-9f0a-0d9a8f1c0001",
        name: "Mobile welcome",
        version: VERSION + 4,
        go_on: 80,
        steps: 3,
        form: Some((2, ROLE)),
    },
    Flow {
        id: "7f0c7a52-6a0e-4a38-9f0a-0d9a8f1c0002",
        name: "Offline mode",
        version: VERSION + 5,
        go_on: 65,
        steps: 2,
        form: None,
    },
];

pub(crate) const CHECKLISTS: &[Checklist] = &[
    Checklist {
        id: "getting-started",
        name: "Getting started",
        items: &[
            ("profile", "Fill in your profile"),
            ("invite", "Invite a colleague"),
            ("report", "Build a report"),
            ("share", "Share it"),
        ],
    },
    Checklist {
        id: "admin-setup",
        name: "Set up your account",
        items: &[
            ("sso", "Turn on single sign-on"),
            ("roles", "Give out roles"),
        ],
    },
];

/// Comments of those who like it, of those who do not care, and of those who do not.
pub(crate) const COMMENTS: [&[&str]; 3] = [
    &[
        "Love it",
        "Great support 🎉",
        "Does what it should, and fast",
        "Genau richtig",
    ],
    &["Fine", "Good, but the export is slow", "It's ok"],
    &[
        "Too slow",
        "I can't find anything",
        "Crashes on my phone\nevery day",
        "高すぎる",
    ],
];

pub(crate) const BUTTONS: &[(&str, &str, &str)] = &[
    ("Next", "internal", "next-step"),
    ("Show me", "internal", "next-step"),
    ("Learn more", "external", "https://app.example.com/help"),
];
