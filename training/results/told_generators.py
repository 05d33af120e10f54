"""What the page of the results says of the generators of members."""

from __future__ import annotations

from training.results.told_numbers import ToldNumbers


def generators_in_words(n: ToldNumbers) -> list[str]:
    """Return the paragraphs on what members are drawn by."""

    def three(data: str, title: str, form: str) -> str:
        words = (f"{title} of {data}{generator}" for generator in ("flow", "noise", "adversarial"))
        flow, noise, adversarial = (n.number(each, form) for each in words)
        return f"{flow} (noise {noise}, with an adversary {adversarial})"

    def told(data: str, unit: str, form: str) -> str:
        return (
            f"the flow's members have a fair CRPS of {three(data, 'CRPS', form)} {unit}, a spread over skill "
            f"of {three(data, 'spread/skill', '.2f')}, a rank histogram whose index, 0 where it is flat, is "
            f"{three(data, 'rank histogram', '.2f')}, and a mean that errs by "
            f"{three(data, 'RMSE of mean', form)} {unit}; one member's distribution is "
            f"{three(data, 'JS of one', '.4f')} from the truth's"
        )

    return [
        "Members about one and the same estimate, from three generators that were trained on the same data "
        "for about the same time on one thread: noise in the network, trained on the fair CRPS; the same "
        "noise with a conditional adversary; and a flow. Eight members each.",
        f"Rain in a region never seen: {told('rainspace', 'mm/month', '.3f')}, its spectrum "
        f"{three('rainspace', 'RALSD of one', '.1f')} dB.",
        "Snow water equivalent that airborne lidar measured (not simulated), in a year never seen: "
        f"{told('swe', 'm', '.4f')}.",
    ]
