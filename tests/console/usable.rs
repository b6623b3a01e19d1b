//! Whoever cannot see the console well, or uses no mouse, can use it.

use landfall_testkit::{Browser, Instance, Request};
use serde_json::{Value, json};

use crate::{ACCEPTED, SECRET, send, send_wrong, shows, start};

/// Of <https://www.w3.org/TR/webdriver2/#keyboard-actions>.
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// Every text that is to be seen against what is behind it, and what in the chart is told apart by its colour: those with
/// less contrast than <https://www.w3.org/TR/WCAG22/#contrast-minimum> and #non-text-contrast ask for.
const TOO_FAINT: &str = r#"
    const numbers = colour => colour.match(/[\d.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = numbers(colour).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (one, other) => {
        const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const behind = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return numbers(colour)[3] === 0 ? behind(element.parentElement) : colour;
    };
    const found = [];
    const check = (element, what, colour, least) => {
        const ratio = contrast(colour, behind(element));
        if (!(ratio >= least)) found.push(`${what}: ${ratio}`);
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let count = 0;
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
        if (!text || !element.checkVisibility() || element.closest("script, svg")) continue;
        check(element, text, getComputedStyle(element).color, 4.5);
        count++;
    }
    for (let colour = 0; colour < 8; colour++) {
        const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        rect.setAttribute("class", `c${colour}`);
        document.getElementById("chart").append(rect);
        check(rect, `c${colour}`, getComputedStyle(rect).fill, 3);
        rect.remove();
    }
    return { count, found };
"#;

/// Lets the page show something of everything, with a row and the table open.
fn fill(instance: &Instance, browser: &Browser) {
    send(instance, 1, "12345");
    send(instance, 1, "12345");
    send_wrong(instance);
    let genuine = Request::post("/webhooks/appcues").signed(SECRET, b"no event");
    let answer = genuine.body(b"no event").send(instance.source());
    assert_eq!(answer.status, 200);
    for text in ["accepted", "duplicate", "refused", "quarantined"] {
        browser.wait_until(&shows("deliveries", text));
    }
    browser.wait_until(&shows("files", ".parquet"));
    browser.run("document.querySelector('#deliveries summary').click(); document.getElementById('numbers').open = true");
    browser.wait_until(&shows("deliveries", "bytes that are no JSON"));
}

#[test]
fn every_text_stands_out_in_light_and_dark() {
    let (instance, browser) = start("");
    fill(&instance, &browser);
    browser.run("document.getElementById('hold').click()");
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let checked = browser.run(TOO_FAINT);
        assert!(checked["count"].as_u64() > Some(50), "{checked}");
        assert_eq!(checked["found"], json!([]), "{scheme}");
    }
}

#[test]
fn the_keyboard_reaches_all_that_can_be_used_and_shows_where_it_is() {
    let (instance, browser) = start("");
    send(&instance, 1, "12345");
    browser.wait_until(&shows("deliveries", "account 12345"));
    let reach = |wanted: &str| {
        for _ in 0..30 {
            browser.press(TAB);
            let reached = browser.run(&format!(
                "const it = document.activeElement, style = getComputedStyle(it);
                 return [it.tagName, it.matches({wanted:?}), `${{style.outlineStyle}} ${{style.outlineWidth}}`]"
            ));
            // Once around it, the browser's own controls would follow.
            assert!(
                reached[0] == "BODY" || reached[2] == "solid 3px",
                "{reached}"
            );
            if reached[1] == true {
                return;
            }
        }
        panic!("{wanted} is not reached");
    };
    reach("#numbers summary");
    browser.press(ENTER);
    browser.wait_until(&shows("counts", "1"));
    reach("#numbers .wide");
    reach("#hold");
    browser.press(ENTER);
    browser.wait_until(&shows("deliveries-note", "The list is held"));
    reach("#values");
    browser.press(' ');
    reach("#deliveries");
    reach("#deliveries summary");
    browser.press(ENTER);
    browser.wait_until(&shows("deliveries", "\"account_id\": \"12345\""));
    // What has changed since has not taken it away.
    let focused = "return document.activeElement.tagName";
    assert_eq!(browser.run(focused), "SUMMARY");
    reach("#files");
    reach("main > section:last-child .wide");
}

#[test]
fn whatever_can_be_used_has_a_name_and_only_the_verdict_is_read_out_by_itself() {
    let (instance, browser) = start("");
    fill(&instance, &browser);
    browser.wait_until(ACCEPTED);
    browser.devtools("Accessibility.enable", &json!({}));
    let tree = browser.devtools("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap().iter();
    let nodes: Vec<&Value> = nodes.filter(|node| node["ignored"] == false).collect();
    let is_focusable = |node: &&&Value| {
        let mut properties = node["properties"].as_array().into_iter().flatten();
        properties.any(|found| found["name"] == "focusable" && found["value"]["value"] == true)
    };
    let focusable: Vec<_> = nodes.iter().filter(is_focusable).collect();
    assert!(focusable.len() > 8, "{focusable:#?}");
    for node in focusable {
        assert_ne!(node["name"]["value"], "", "{node:#}");
    }
    let named = |role: &str| -> Vec<&str> {
        let of_role = nodes.iter().filter(|node| node["role"]["value"] == role);
        let names = of_role.map(|node| node["name"]["value"].as_str().unwrap());
        names.collect()
    };
    // The tree comes in no order.
    let mut headings = named("heading");
    headings.sort_unstable();
    let expected = [
        "Components",
        "Events a minute, by type",
        "Events are accepted",
        "Files landed",
        "Landfall",
        "Last deliveries",
        "Now",
    ];
    assert_eq!(headings, expected);
    assert_eq!((named("banner").len(), named("main").len()), (1, 1));
    assert_eq!(named("image").len(), 1, "the chart");
    assert_eq!(named("table").len(), 2, "its numbers, and the components");
    let live = "return Array.from(document.querySelectorAll('[aria-live], [role=status], [role=alert], [role=log], output'), it => it.innerText)";
    assert_eq!(browser.run(live), json!(["Events are accepted"]));
}
