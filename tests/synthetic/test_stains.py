import numpy as np

from lymphoscope.synthetic.stains import AZURE, BLUE, EOSIN, draw_subject, photograph, stained


def subjects(count: int = 60) -> list:
    return [draw_subject(f"P{n}", "all", np.random.default_rng(n)) for n in range(count)]


def test_light_falls_off_with_the_amount_of_stain_as_beer_and_lambert_say() -> None:
    subject = subjects(1)[0]
    for amount in (0.0, 0.5, 1.0):
        amounts = [np.full((40, 40), amount if stain == AZURE else 0, dtype=np.float32) for stain in range(3)]
        seen = photograph(stained(amounts, subject), subject, 17, np.random.default_rng(0)).mean(axis=(0, 1))
        np.testing.assert_allclose(seen, subject.light * np.exp(-amount * subject.stains[AZURE]), atol=0.7)


def test_stains_have_the_colours_of_a_wright_giemsa_smear() -> None:
    for subject in subjects():
        amounts = {AZURE: 1.7, BLUE: 0.6, EOSIN: 0.45}  # as cells have them
        azure, blue, eosin = (subject.light * np.exp(-amounts[s] * subject.stains[s]) for s in (AZURE, BLUE, EOSIN))
        assert azure[2] > azure[0] > azure[1]  # purple
        assert blue.argmax() == 2
        assert eosin.argmax() == 0
        assert (eosin / subject.light).argmin() == 1  # pink: of the light it takes the green


def test_subjects_are_stained_apart() -> None:
    drawn = subjects()
    assert np.std([subject.light for subject in drawn], axis=0).min() > 2
    assert np.std([subject.stains for subject in drawn], axis=0).min() > 0.02
    assert np.std([subject.effect for subject in drawn], axis=0).min() > 0.7
