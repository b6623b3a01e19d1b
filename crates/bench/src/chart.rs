//! Line charts as SVG.

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 320.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 250.0;
const INK: &str = "#1f2933";
const FAINT: &str = "#7b8794";
const LINES: [&str; 3] = ["#264b96", "#d9822b", "#3a9d6e"];

/// Lines over a common axis, each axis from 0.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    /// What stands below.
    pub(crate) x_axis: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// Points that are joined.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A picture of `charts`, beside each other.
pub(crate) fn svg(title: &str, charts: &[Chart]) -> String {
    let width = WIDTH / charts.len().max(1) as f64;
    let drawn = charts.iter().enumerate();
    let drawn: String = drawn
        .map(|(number, chart)| chart.draw(number as f64 * width, width))
        .collect();
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="12" fill="{INK}">
<title id="title">{title}</title>
<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>
{drawn}</svg>
"##
    )
}

impl Chart {
    fn draw(&self, from: f64, width: f64) -> String {
        let (left, right) = (from + 50.0, from + width - 16.0);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x_end = round_up(points().map(|point| point.0).fold(0.0, f64::max));
        let y_end = round_up(points().map(|point| point.1).fold(0.0, f64::max));
        let x = |value: f64| left + (right - left) * value / x_end;
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / y_end;

        let (large, faint) = (
            "font-size=\"14\" font-weight=\"600\"",
            format!("fill=\"{FAINT}\""),
        );
        let middle = (left + right) / 2.0;
        let mut parts = vec![
            text((from + 16.0, 28.0), "start", large, self.title),
            text((middle, BOTTOM + 36.0), "middle", "", self.x_axis),
        ];
        for quarter in 0..=4 {
            let share = f64::from(quarter) / 4.0;
            let (x_value, y_value) = (x_end * share, y_end * share);
            let height = y(y_value);
            parts.push(format!(
                "<path d=\"M{left:.1} {height:.1}H{right:.1}\" stroke=\"{FAINT}\" stroke-opacity=\"0.3\"/>"
            ));
            let (beside, below) = ((left - 6.0, height + 4.0), (x(x_value), BOTTOM + 18.0));
            parts.push(text(beside, "end", &faint, &short(y_value)));
            parts.push(text(below, "middle", &faint, &short(x_value)));
        }
        for (number, (line, colour)) in self.lines.iter().zip(LINES.iter().cycle()).enumerate() {
            let places = line.points.iter();
            let places: Vec<_> = places
                .map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b)))
                .collect();
            parts.push(format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                places.join(" ")
            ));
            let (x, y) = (left + 90.0 * number as f64, HEIGHT - 14.0);
            let start = x - 20.0;
            parts.push(format!(
                "<path d=\"M{start:.1} {:.1}h16\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                y - 4.0
            ));
            parts.push(text((x, y), "start", "", &line.name));
        }
        parts.join("\n") + "\n"
    }
}

fn text((x, y): (f64, f64), anchor: &str, style: &str, words: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{words}</text>")
}

/// The next number of which a quarter is easily read.
fn round_up(value: f64) -> f64 {
    let magnitude = 10_f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0];
    let step = steps.iter().find(|step| value <= **step * magnitude);
    step.unwrap_or(&10.0) * magnitude
}

/// As it stands beside an axis: `250`, `1.5M`.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, "M"),
        1e4.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = format!("{value:.2}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_that_hold_every_point() {
        for (value, end) in [
            (97.0, 100.0),
            (101.0, 120.0),
            (1.0, 1.0),
            (33.4, 40.0),
            (9_999_999.0, 1e7),
        ] {
            assert!(
                (round_up(value) - end).abs() < 1e-6 * end,
                "{value}: {}",
                round_up(value)
            );
        }
        let written = [250.0, 1.6 * 0.75, 25_000.0, 7.5e6].map(short);
        assert_eq!(written, ["250", "1.2", "25k", "7.5M"]);
    }

    #[test]
    fn every_line_is_drawn_with_its_name() {
        let line = |name: &str| Line {
            name: name.to_owned(),
            points: vec![(0.0, 0.0), (10.0, 5.0)],
        };
        let chart = Chart {
            title: "Time",
            x_axis: "events",
            lines: vec![line("1 core"), line("2 cores")],
        };
        let drawn = svg("Growth", &[chart]);
        assert_eq!(drawn.matches("<polyline").count(), 2);
        assert!(
            drawn.contains(">2 cores</text>") && !drawn.contains("NaN"),
            "{drawn}"
        );
    }
}
