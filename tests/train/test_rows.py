"""A conversation in a packed row computes what it computes alone, and sees nothing else."""

import dataclasses
import itertools
import math

import pytest
import torch

from gemma3_edu.model import Block
from gemma3_edu.model.layout import Batch
from gemma3_edu.prompt.processor import Processor
from gemma3_edu.train import rows
from gemma3_edu.train.data.draw import Setting
from gemma3_edu.train.data.examples import Example, Turn
from gemma3_edu.train.data.mixture import Mixture
from gemma3_edu.train.rows import Branch, Document, Row, hidden_states, induction, loss, pack

from ..tiny import tiny_model
from ..tokenizers import small_config, small_tokenizer

PROCESSOR = Processor(small_tokenizer(), small_config())
SOFT = small_tokenizer().soft_id
MIXTURE = Mixture("instruct", "train", seed=1, setting=Setting(side=36))
KINDS = ("colour", "which_has", "motion", "wide", "tall", "price", "facts", "tool", "chat")
"""With one picture, with several, with crops; with text given, with nothing but questions."""
LENGTH = 285


def document(task, index=5, chat=True):
    return rows.Encoder(PROCESSOR, chat)(MIXTURE.of_task(task, index), pan_and_scan=True)


@pytest.fixture(scope="module")
def model():
    """13 layers of both kinds; a window shorter than a picture."""
    return tiny_model(PROCESSOR.config)


@pytest.fixture(scope="module")
def packed():
    """Two rows of two documents each, with pictures and without."""
    documents = map(document, ("chat", "facts", "which_has", "colour"))
    short = [each._replace(branches=each.branches[:3]) for each in documents]
    assert sum(len(d.prefix) + sum(len(b.ids) for b in d.branches) for d in short[:2]) == LENGTH
    return pack(short, 2, LENGTH, SOFT)


def alone(example, chat):
    """The batch of a conversation by itself, by the package's own ways in."""
    if chat:
        return PROCESSOR(example.messages(), add_generation_prompt=False, pan_and_scan=True)
    pictures = [picture.image for picture in example.pictures]
    parts = [p + "\n" if isinstance(p, str) else "<start_of_image>" for p in example.given]
    turns = [f"Question: {t.question}\nAnswer: {t.answer}\n" for t in example.conversations[0]]
    text = "".join([*parts, *turns])
    assert example.text() == (text, pictures)
    batch = PROCESSOR.text(text, pictures or None, pan_and_scan=True)
    ids = torch.cat([batch.tokens, torch.tensor([[small_tokenizer().eos_id]])], 1)
    return Batch.from_ids(ids, PROCESSOR.config, batch.images)


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "plain"])
@pytest.mark.parametrize("task", KINDS)
@torch.no_grad()
def test_a_conversation_computes_what_it_computes_alone(task, chat, model):
    example = MIXTURE.of_task(task, 5)
    documents = [document("colour", 1, chat), document(task, chat=chat)]
    row = pack(documents, 1, 900, SOFT)
    hidden = hidden_states(model, row)[0]
    for number, conversation in enumerate(example.conversations[:3], 1):
        one = alone(dataclasses.replace(example, conversations=(conversation,)), chat)
        here = (row.document[0] == 2) & ((row.branch[0] == 0) | (row.branch[0] == number))
        ids = row.batch.tokens[0][here].tolist()
        # In a chat a newline follows the last turn, from which nothing is to be learnt.
        assert ids == one.tokens[0].tolist()[: len(ids)]
        assert one.tokens.shape[1] - len(ids) == chat
        wanted = model.hidden_states(one)[0, : len(ids)]
        assert wanted.std() > 0.2
        torch.testing.assert_close(hidden[here], wanted, atol=2e-5, rtol=0)


def test_a_token_may_see_what_these_words_say(packed):
    document, branch = packed.document.tolist(), packed.branch.tolist()
    position, image = packed.batch.layout.position.tolist(), packed.batch.layout.image_id.tolist()
    assert {max(d) for d in document} == {2}
    assert max(max(i) for i in image) == 3
    for window in (None, 5):
        seen = packed.may_see(window).tolist()
        for row, query, key in itertools.product(range(2), range(LENGTH), range(LENGTH)):
            inside = document[row][query] == document[row][key] != 0
            inside &= branch[row][key] in (0, branch[row][query])
            distance = position[row][query] - position[row][key]
            whole = image[row][query] == image[row][key] != 0
            near = window is None or distance < window
            assert seen[row][query][key] == (inside and near and (distance >= 0 or whole))


@torch.no_grad()
def test_a_changed_token_changes_what_follows_it_in_its_own_branch_alone(packed, model):
    before = hidden_states(model, packed)
    document, branch, position = packed.document, packed.branch, packed.batch.layout.position
    text = (document > 0) & (packed.batch.layout.image_id == 0)
    for row, which, number in itertools.product(range(2), (1, 2), range(3)):
        places = (text[row] & (document[row] == which) & (branch[row] == number)).nonzero()
        column = int(places[2])
        tokens = packed.batch.tokens.clone()
        tokens[row, column] += 1
        inner = dataclasses.replace(packed.batch, tokens=tokens)
        after = hidden_states(model, dataclasses.replace(packed, batch=inner))
        wanted = (document == which) & (position >= position[row, column])
        if number:
            wanted &= branch == number
        wanted[1 - row] = False
        assert torch.equal((after != before).any(-1), wanted), (row, which, number)


@torch.no_grad()
def test_a_changed_picture_changes_its_own_document_from_there_on(packed, model):
    before, images = hidden_states(model, packed), packed.batch.images.clone()
    assert len(images) == 3  # two of the first document of the second row
    images[1] *= -1
    inner = dataclasses.replace(packed.batch, images=images)
    changed = (hidden_states(model, dataclasses.replace(packed, batch=inner)) != before).any(-1)
    begins = int((packed.batch.layout.image_id[1] == 2).nonzero()[0])
    wanted = packed.document == 1
    wanted[1, :begins] = wanted[0] = False
    assert torch.equal(changed, wanted)


def test_the_loss_is_a_weighted_mean_over_tokens(packed, model):
    """In words: each token that weighs something is guessed from the one before it."""
    weights = (packed.branch > 0) * torch.rand(2, LENGTH).round(decimals=1)
    weights[:, 1:][packed.branch[:, 1:] > packed.branch[:, :-1].clamp(min=1)] = 0  # questions
    packed = dataclasses.replace(packed, weights=weights)
    logits = model.logits(hidden_states(model, packed)).detach().log_softmax(-1)
    total = weight = 0.0
    last = {}  # the column of a row's document, branch and position
    for row, column in itertools.product(range(2), range(LENGTH)):
        here = [int(table[row, column]) for table in (packed.document, packed.branch)]
        position = int(packed.batch.layout.position[row, column])
        last[row, *here, position] = column
        counts = float(packed.weights[row, column])
        if counts:
            before = last.get((row, *here, position - 1))
            if before is None:
                before = last[row, here[0], 0, position - 1]
            total -= counts * float(logits[row, before, packed.batch.tokens[row, column]])
            weight += counts
    assert weight > 5
    assert loss(model, packed).item() == pytest.approx(total / weight, rel=1e-5)
    calls = []

    def counted(*inputs):
        calls.append(len(inputs))
        return Block.forward(*inputs)

    assert loss(model, packed, counted).item() == loss(model, packed).item()
    assert calls == [4] * 13


# One document's ids differ from the next one's, and one branch's from the next one's.
def numbered(number, prefix, *branches):
    ids = itertools.count(100 * number)
    return Document(
        [next(ids) for _ in range(prefix)],
        [],
        [Branch([next(ids) for _ in range(size)], [1.0] * size) for size in branches],
    )


def read_back(made, row):
    """What lies in a row: (document's number, its prefix, its branches)."""
    found = []
    for number in range(1, int(made.document[row].max()) + 1):
        here = made.document[row] == number
        branches = made.branch[row][here].unique().tolist()
        assert branches == list(range(len(branches)))
        ids, branch = made.batch.tokens[row][here], made.branch[row][here]
        found.append([ids[branch == each].tolist() for each in branches])
    return found


def test_packing_keeps_the_order_and_drops_whole_branches():
    stream = [
        numbered(1, 4, 3, 9, 2),  # the branch of nine does not fit behind the first
        numbered(2, 3, 2),
        numbered(3, 6, 5),
        numbered(4, 2, 2, 2, 2),  # one branch fits into what is left
        numbered(5, 9, 9),
        numbered(6, 1, 1),
    ]
    made = pack(stream, 2, 15, SOFT)
    kept = [  # of each, the prefix and its first branch; of the first also the third
        [each.prefix, each.branches[0].ids, *(b.ids for b in each.branches[2:3])]
        for each in stream[:4]
    ]
    kept[3].pop()
    assert [read_back(made, row) for row in range(2)] == [kept[:2], kept[2:]]
    assert made.batch.layout.position[0].tolist() == [*range(4), 4, 5, 6, 4, 5, 0, 1, 2, 3, 4, -1]
    assert made.weights[0].tolist() == [0.0] * 4 + [1.0] * 5 + [0.0] * 3 + [1.0] * 2 + [0.0]
    assert made.document[0, -1] == 0


def test_packing_reads_no_further_than_the_fourth_that_does_not_fit():
    taken = []

    def endless():
        for number in itertools.count(1):
            taken.append(number)
            yield numbered(number, 3, 5)

    made = pack(endless(), 2, 20, SOFT)
    assert taken == list(range(1, 9))
    assert [len(read_back(made, row)) for row in range(2)] == [2, 2]


def test_a_row_takes_no_document_without_a_question():
    row = Row(length=8)
    assert not row.add(numbered(1, 4, 5, 6))
    assert row.tokens == row.images == []


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "plain"])
def test_answers_count_and_each_as_the_root_of_its_length(chat):
    talk = (Turn("What is 2 + 3?", "2 + 3 = 5"), Turn("a model\nmodel", "It is so."))
    example = Example("t", ("Given.",), (talk, (Turn("So?", "Yes."),)), "t:t")
    made = rows.Encoder(PROCESSOR, chat)(example)
    text = PROCESSOR.decode(made.prefix, skip_special=False)
    assert text == ("<bos><start_of_turn>user\nGiven.\n" if chat else "<bos>Given.\n")
    end = "<end_of_turn>" if chat else "\n"
    for branch, turns in zip(made.branches, example.conversations, strict=True):
        said = [i for i, weight in zip(branch.ids, branch.weights, strict=True) if weight]
        wanted = "".join(("" if chat else " ") + turn.answer + end for turn in turns)
        assert PROCESSOR.decode(said, skip_special=False) == wanted + "<eos>" * (not chat)
        # all tokens of an answer weigh the same, the root of their number in all
        runs = [list(run) for w, run in itertools.groupby(branch.weights) if w]
        for run in runs[:1] if chat else []:
            assert sum(run) == pytest.approx(math.sqrt(len(run)))


def test_prose_counts_a_little_everywhere():
    made = rows.Encoder(PROCESSOR, chat=True)(MIXTURE.of_task("prose", 0))
    (branch,) = made.branches
    assert made.prefix == [small_tokenizer().bos_id]
    assert PROCESSOR.decode(branch.ids) == MIXTURE.of_task("prose", 0).given[0]
    assert set(branch.weights) == {rows.PROSE}


def test_long_documents_can_come_with_their_crops_or_without():
    example = Mixture("instruct", "train").of_task("wide", 0)
    encode = rows.Encoder(PROCESSOR, chat=True)
    whole, crops = encode(example), encode(example, pan_and_scan=True)
    assert len(whole.images) == 1
    assert len(crops.images) in (4, 5)
    assert crops.prefix.count(SOFT) == 9 * len(crops.images)
    assert all(image.shape == (3, 36, 36) for image in crops.images)


def test_induction_can_be_guessed_where_it_counts_and_nowhere_else():
    known = unknown = 0
    made = list(itertools.islice(induction(3, 500, 2000), 60))
    for number, (prefix, images, ((again, weights),)) in enumerate(made):
        assert images == []
        assert prefix[0] == small_tokenizer().bos_id
        assert set(prefix[1:]) >= set(again)
        assert len(prefix) + len(again) <= 192
        after = set(itertools.pairwise(prefix))
        for before, now, weight in zip([None, *again], again, weights, strict=False):
            if weight:
                assert (before, now) in after, "nothing says what comes here"
                known += 1
            else:
                unknown += (before, now) in after
        counting = [weight for weight in weights if weight]
        assert sum(counting) == pytest.approx(math.sqrt(len(counting)))
        assert len(counting) >= len(again) // 2 - 1
        assert len(set(counting)) == 1
        assert (again == prefix[1:]) == (number % 2 == 1)
    assert known > 2000
    assert unknown < 60
    for seed, same in ((3, True), (4, False)):
        assert (list(itertools.islice(induction(seed, 500, 2000), 60)) == made) == same
