//! Mistakes that an evaluator could make. The oracle makes one of them on purpose, to show that it would be noticed.

macro_rules! flaws {
    ($($name:ident,)*) => {
        /// One mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flaw { $($name),* }

        /// All of them.
        pub const ALL: &[Flaw] = &[$(Flaw::$name),*];
    };
}

flaws! {
    // Windows
    WithinLeavesOutItsEnd,
    WithinIsAMillisecondLonger,
    WithinTakesTheFuture,
    BetweenLeavesOutItsNearEnd,
    BetweenLeavesOutItsFarEnd,
    BetweenTakesItsEndsAsWritten,
    NoWindowLeavesOutTheFuture,
    ParentWindowTakesTheParentsInstant,
    ParentWindowLeavesOutItsEnd,
    ParentIsForgotten,
    OnlyTheFirstParentCounts,
    SessionEndsAtItsGap,
    SessionNeverEnds,
    SessionTakesTheFuture,
    SessionIsTheWholeHistory,
    // Filters
    OnlyTheFirstFilterCounts,
    SourcesAreNotExcluded,
    NestedWhereSeesTheParent,
    // Reducers
    CountStopsAtTwo,
    SumIgnoresTexts,
    SumKeepsDistinctValues,
    AverageOfNothingIsZero,
    AverageCountsTheMissing,
    MaximumComparesTexts,
    MinimumAsStringComparesNumbers,
    FirstToArrive,
    LastTakesNulls,
    TiesAreInReverse,
    ModeBreaksTiesBackwards,
    ModeIgnoresItsMinimum,
    ModeTakesArraysWhole,
    ModeAlwaysTakesEntries,
    UniqueIsInOrderOfArrival,
    // Comparators
    NullDiffers,
    NullIsNoneOf,
    NullIsNotOmitted,
    NullOnTheRightDiffers,
    EqualsComparesTexts,
    OrderComparesTexts,
    OrderOfTextsIgnoresCase,
    NumbersAndTextsAreOrdered,
    ContainsWantsAll,
    FalseIsAbsent,
    BeforeDateTakesItsDate,
    AfterDateTakesItsDate,
    DatesWithoutZoneAreTaken,
    WithinLastLeavesOutItsEnd,
    WithinLastTakesTheFuture,
    WithinNextLeavesOutNow,
    WithinNextLeavesOutItsEnd,
    BeforeLastLeavesOutItsEnd,
    AfterNextLeavesOutItsEnd,
    EachMeansTheFirst,
    // Junctions
    OrBindsBeforeAnd,
    NullLogic,
    AnyIsAll,
    AllOfOnlyTheFirst,
    // Traits and posts
    FirstTraitOfATie,
    LastTraitToArrive,
    RepetitionCounts,
    AudiencesAreNoTraits,
    TraitsOfUsersForAccounts,
    IdsStayApart,
}
