from __future__ import annotations

from dataclasses import dataclass, field

from hf_selfdistill.runs.config import RunConfig


@dataclass(kw_only=True, eq=False)
class Toy(RunConfig):
    places = ("root",)

    root: str = ""
    size: int = 1
    sizes: list[int] = field(default_factory=list)
    output_dir: str = "out"

    def inputs(self):
        return {"videos": self.root.split("/")[-1]}


def test_what_has_its_default_is_left_out():
    assert Toy(size=1, sizes=[]).to_dict() == {}
    assert Toy(size=2, sizes=(1, 2)).to_dict() == {"size": 2, "sizes": [1, 2]}


def test_the_identity_counts_contents_and_not_places():
    one = Toy(root="a/videos", output_dir="x")
    assert one.essence() == {} and one.identity() == Toy(root="b/videos").identity()
    assert one.identity() != Toy(root="a/others").identity()
    assert one.identity({"videos": "videos"}) == one.identity() != one.identity({})


def test_configs_of_two_kinds_differ():
    class Other(Toy):
        pass

    assert Toy() == Toy() and Toy() != Other() and len({Toy(), Toy(size=1), Toy(size=2)}) == 2
