//! The algebra of acknowledgements: whatever way they are split, in whatever order the parts are answered, dropped or
//! given up, against a model that knows only when the first part was refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use landfall_core::{Ack, Answer, Outcome, Refusal};
use proptest::prelude::*;
use proptest::sample::Index;

/// How a duty is split up.
#[derive(Clone, Debug)]
enum Tree {
    Leaf,
    Split(Vec<Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    Just(Tree::Leaf).prop_recursive(3, 24, 4, |inner| {
        prop::collection::vec(inner, 0..5).prop_map(Tree::Split)
    })
}

/// What happens next, and to which of the parts that are left.
#[derive(Clone, Debug)]
enum Step {
    Answer(Index, Outcome),
    Drop(Index),
    /// Nobody waits for the answer any more.
    GiveUp,
}

fn step() -> impl Strategy<Value = Step> {
    let refusal = prop::sample::select(vec![
        Refusal::Full,
        Refusal::TooLarge,
        Refusal::Failed,
        Refusal::Unanswered,
    ]);
    prop_oneof![
        8 => any::<Index>().prop_map(|part| Step::Answer(part, Outcome::Durable)),
        1 => (any::<Index>(), refusal)
            .prop_map(|(part, refusal)| Step::Answer(part, Outcome::Refused(refusal))),
        1 => any::<Index>().prop_map(Step::Drop),
        1 => Just(Step::GiveUp),
    ]
}

/// The parts of `ack` that somebody must answer.
fn split(ack: Ack, tree: &Tree, leaves: &mut Vec<Leaf>) {
    match tree {
        Tree::Leaf => leaves.push(Leaf::new(ack)),
        Tree::Split(trees) => {
            for (ack, tree) in ack.split(trees.len()).into_iter().zip(trees) {
                split(ack, tree, leaves);
            }
        }
    }
}

fn has_empty_split(tree: &Tree) -> bool {
    match tree {
        Tree::Leaf => false,
        Tree::Split(trees) => trees.is_empty() || trees.iter().any(has_empty_split),
    }
}

/// A part, and whether it was woken since it was asked whether anybody waits.
struct Leaf {
    ack: Ack,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Leaf {
    fn new(ack: Ack) -> Self {
        Self {
            ack,
            woken: Arc::default(),
        }
    }

    fn is_abandoned(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let abandoned = std::pin::pin!(self.ack.abandoned());
        abandoned.poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
    }
}

/// Is dropped with what an acknowledgement holds.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn all_that_an_acknowledgement_holds_is_kept_until_its_answer() {
    let held = Arc::new(());
    let (mut ack, _answer) = Ack::channel();
    ack.hold(Arc::clone(&held));
    ack.hold(Arc::clone(&held));
    assert_eq!(Arc::strong_count(&held), 3);
    ack.durable();
    assert_eq!(Arc::strong_count(&held), 1);
}

proptest! {
    #[test]
    fn a_tree_of_parts_is_durable_when_all_are_and_refused_with_the_first_that_is(
        tree in tree(),
        steps in prop::collection::vec(step(), 0..48),
    ) {
        let (mut ack, answer) = Ack::channel();
        let released = Arc::new(AtomicBool::new(false));
        ack.hold(Held(Arc::clone(&released)));
        let mut leaves = Vec::new();
        split(ack, &tree, &mut leaves);

        let mut answer: Option<Answer> = Some(answer);
        let mut expected = has_empty_split(&tree).then_some(Outcome::Refused(Refusal::Unanswered));
        let mut told: Option<Outcome> = None;
        let mut steps = steps.into_iter();
        loop {
            if leaves.is_empty() {
                expected = expected.or(Some(Outcome::Durable));
            }
            // An answer can be taken once.
            if told.is_none() {
                told = answer.as_mut().and_then(FutureExt::now_or_never);
            }
            if answer.is_some() {
                prop_assert_eq!(told, expected);
            }
            prop_assert_eq!(released.load(Ordering::Relaxed), leaves.is_empty());
            let nobody_waits = answer.is_none() || expected.is_some();
            for leaf in &mut leaves {
                prop_assert_eq!(leaf.is_abandoned(), nobody_waits);
            }

            if leaves.is_empty() {
                break;
            }
            let refused = match steps.next() {
                Some(Step::Answer(part, outcome)) => {
                    leaves.swap_remove(part.index(leaves.len())).ack.answer(outcome);
                    (outcome != Outcome::Durable).then_some(outcome)
                }
                Some(Step::Drop(part)) => {
                    drop(leaves.swap_remove(part.index(leaves.len())));
                    Some(Outcome::Refused(Refusal::Unanswered))
                }
                Some(Step::GiveUp) => {
                    answer = None;
                    None
                }
                // In the end all that are left are dropped.
                None => {
                    leaves.pop();
                    Some(Outcome::Refused(Refusal::Unanswered))
                }
            };
            expected = expected.or(refused);
            let nobody_waits_any_more = answer.is_none() || expected.is_some();
            if nobody_waits_any_more && !nobody_waits {
                for leaf in &leaves {
                    prop_assert!(leaf.woken.0.load(Ordering::Relaxed));
                }
            }
        }
    }
}
