"""Sentences on a differential count, for the page and the terminal."""

from lymphoscope.smear.differential import BlastShare, Interval


def blast_sentence(share: BlastShare) -> str:
    """Say where the share of blasts lies against the threshold, or what is missing to say it."""
    limit = f"{share.threshold:g} %"
    least, most = share.accepted, share.possible
    text = f"Blasts are {interval_text(least)} % of the white cells"
    if most.value > least.value:
        text += f", and {interval_text(most)} % if every unidentified cell is one"
    if share.side != "undecided":
        return f"{text}: {share.side} {limit}."
    if share.waits_for_review:
        return f"{text}: whether there are more than {limit} is undecided until a person has looked at them."
    if share.more_cells is None:
        return f"{text}: too near {limit} to be decided by counting more cells."
    return f"{text}: {share.more_cells:,} more cells would decide whether there are more than {limit}, if it stays so."


def interval_text(one: Interval) -> str:
    """A percentage with its interval, without a unit: `30.0 (21.2 to 40.0)`."""
    return f"{one.value:.1f} ({one.low:.1f} to {one.high:.1f})"
