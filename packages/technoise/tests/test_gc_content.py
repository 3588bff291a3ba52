import numpy as np
import pytest

from technoise import TechnoiseError
from technoise.bins import Bins
from technoise.gc_content import gc_fraction


@pytest.fixture
def fasta(tmp_path):
    rng = np.random.default_rng(3)
    sequences = {
        "chr1": "".join(rng.choice(list("ACGTacgtN"), size=1_234)),
        "chr2": "NNNNNNNNNN" + "GGGGGNNNNN" + "ACGT",
    }
    path = tmp_path / "toy.fa"
    path.write_text(
        "".join(
            f">{name}\n" + "\n".join(s[i : i + 60] for i in range(0, len(s), 60)) + "\n"
            for name, s in sequences.items()
        )
    )
    return path, sequences


def test_the_share_is_that_of_counting_letters_in_either_case_and_nan_where_only_n_is(fasta):
    path, sequences = fasta
    bins = Bins.tiled({name: len(s) for name, s in sequences.items()}, 10)
    expected = []
    for name, start, end in zip(bins.chromosome, bins.start, bins.end, strict=True):
        letters = sequences[name][start:end].upper()
        known = len(letters) - letters.count("N")
        expected.append((letters.count("G") + letters.count("C")) / known if known else np.nan)
    np.testing.assert_array_equal(gc_fraction(path, bins), expected)
    assert gc_fraction(path, bins)[-2] == 1.0


def test_a_fasta_of_another_assembly_or_none_is_a_one_line_error(fasta, tmp_path):
    path, _ = fasta
    with pytest.raises(TechnoiseError, match=r"chromosome chr9 is not in .*\(chr1, chr2"):
        gc_fraction(path, Bins.tiled({"chr9": 10}, 10))
    with pytest.raises(TechnoiseError, match="has 1234 bp: bins end at 1235 bp"):
        gc_fraction(path, Bins.tiled({"chr1": 1_235}, 10))
    with pytest.raises(TechnoiseError, match="not readable as FASTA"):
        gc_fraction(tmp_path / "none.fa", Bins.tiled({"chr1": 10}, 10))
