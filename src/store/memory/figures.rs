//! Figures over time.

use std::collections::BTreeMap;

use super::state::State;
use crate::domain::change::ChangeSet;
use crate::domain::figures::{Family, Figure, FigurePoint, FigureWrite, Grain, OldestFigures};
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// What was counted of each detail of a subject within one minute, hour, day or ever.
pub(super) type Figures = BTreeMap<(Family, String, Grain, Timestamp), BTreeMap<String, i64>>;

impl State {
    pub(super) fn apply_figures(&mut self, changes: &ChangeSet) {
        if let Some(oldest) = &changes.forget_figures {
            let old: Vec<_> = self.figures_before(oldest).take(limits::UPKEEP_STEP).cloned().collect();
            old.iter().for_each(|point| drop(self.figures.remove(point)));
        }
        for (figure, grain, start, change) in changes.counted() {
            self.count_figure(figure, grain, start, change, figure.family.most_details());
        }
        for FigureWrite { figure, grain, start, count } in &changes.figure_points {
            self.count_figure(figure, *grain, *start, i64::try_from(*count).unwrap_or(i64::MAX), None);
        }
    }

    fn count_figure(
        &mut self,
        figure: &Figure,
        grain: Grain,
        start: Timestamp,
        change: i64,
        most: Option<usize>,
    ) {
        let Figure { family, subject, detail } = figure;
        let key = (*family, subject.clone(), grain, start);
        let point = self.figures.entry(key.clone()).or_default();
        if point.contains_key(detail) || most.is_none_or(|most| point.len() < most) {
            *point.entry(detail.clone()).or_default() += change;
        }
        point.retain(|_, count| *count != 0);
        if point.is_empty() {
            self.figures.remove(&key);
        }
    }

    fn figures_before(
        &self,
        oldest: &OldestFigures,
    ) -> impl Iterator<Item = &(Family, String, Grain, Timestamp)> {
        self.figures
            .keys()
            .filter(|(.., grain, start)| oldest.of(*grain).is_some_and(|oldest| *start < oldest))
    }

    pub(super) fn has_figures_before(&self, oldest: &OldestFigures) -> bool {
        self.figures_before(oldest).next().is_some()
    }

    pub(super) fn figure_points(
        &self,
        family: Family,
        subject: &str,
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<FigurePoint> {
        let of_subject = (family, subject.to_owned(), grain, from)..;
        let points = self.figures.range(of_subject).take_while(|((of, name, each, start), _)| {
            (*of, name.as_str(), *each) == (family, subject, grain) && *start < to
        });
        let details = points.flat_map(|((.., start), details)| details.iter().map(|it| (*start, it)));
        let point = |(start, (detail, count)): (Timestamp, (&String, &i64))| {
            let count = u64::try_from(*count).ok().filter(|count| *count > 0)?;
            Some(FigurePoint { start, detail: detail.clone(), count })
        };
        details.filter_map(point).collect()
    }

    /// All points, in the order of their keys.
    pub(super) fn all_figures(&self) -> impl Iterator<Item = FigureWrite> {
        self.figures.iter().flat_map(|((family, subject, grain, start), details)| {
            details.iter().filter_map(|(detail, count)| {
                let count = u64::try_from(*count).ok().filter(|count| *count > 0)?;
                let (subject, detail) = (subject.clone(), detail.clone());
                let figure = Figure { family: *family, subject, detail };
                Some(FigureWrite { figure, grain: *grain, start: *start, count })
            })
        })
    }
}
