"""``ifdd push``: publish a checkpoint on the Hugging Face Hub."""

from pathlib import Path

from ifdd.console import console
from ifdd.errors import InputError
from ifdd.files import expand, file_sha256, write_text
from ifdd.model import Checkpoint, find_checkpoint, load_checkpoint
from ifdd.records import EvaluationRecord
from ifdd.records.licences import SIGNED_FORM
from ifdd.remote.hub import WEIGHTS_FILE, endpoint, forbidden_by, hub_errors, import_hub, is_hub_address, unreachable
from ifdd.sharing.card import model_card

CARD_FILE = "README.md"


def push(
    checkpoint: Path,
    model: str,
    *,
    private: bool = False,
    evaluation: Path | None = None,
    card: Path | None = None,
    consent: bool = False,
) -> None:
    """Publish a checkpoint on the Hugging Face Hub, with a model card filled in from its record.

    The model gets model.safetensors and README.md, which replace files of these names in one commit. Log in once with
    'hf auth login', or set HF_TOKEN. Read the card first: --card writes it to a file and uploads nothing.

    Args:
        checkpoint: Checkpoint to publish: a .safetensors file of ifdd.
        model: Name on the hub, USER/MODEL; made if it does not exist.
        private: Make a new model private; an existing one stays as it is.
        evaluation: Folder that 'ifdd evaluate --out' wrote for this checkpoint; its scores go on the card.
        card: File to write the card to, with the suffix .md; nothing is uploaded.
        consent: The owners of the training data allow the publication; needed for data given by a signed form.

    Raises:
        InputError: the checkpoint or the evaluation cannot be read or do not belong together, the data's owners must be
            asked, or the hub cannot be reached or refuses.
    """
    if model.count("/") != 1 or is_hub_address(model) or not all(model.split("/")):
        raise InputError(f"{model!r} is not a name on the hub; write USER/MODEL")
    if card is not None and card.suffix.lower() != ".md":
        raise InputError(f"cannot write {card}: name it with the suffix .md")
    loaded = load_checkpoint(checkpoint)
    file = find_checkpoint(checkpoint)
    text = model_card(loaded, model, None if evaluation is None else _evaluation(expand(evaluation), file))
    if card is not None:
        write_text(expand(card), text)
        console.print(f"Written to {card}; nothing was uploaded", highlight=False, markup=False, soft_wrap=True)
        return
    if not consent:
        _check_owners(loaded, checkpoint)
    if variable := forbidden_by():
        raise InputError(f"cannot publish {checkpoint}: {variable} forbids it")
    address = _upload(file, text, model, private)
    console.print(f"Published: {address}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"To use it: --checkpoint hf://{model}", highlight=False, markup=False, soft_wrap=True)


def _evaluation(folder: Path, file: Path) -> EvaluationRecord:
    """Read the evaluation of a checkpoint.

    Raises:
        InputError: it cannot be read, or belongs to another checkpoint.
    """
    path = folder / EvaluationRecord.FILE if folder.is_dir() else folder
    record = EvaluationRecord.load(path, "give the folder that 'ifdd evaluate --out' wrote")
    if record.protocol.checkpoint.sha256 != file_sha256(file):
        raise InputError(f"{path} belongs to another checkpoint, {record.protocol.checkpoint.path}; evaluate this one")
    return record


def _check_owners(loaded: Checkpoint, checkpoint: Path) -> None:
    """Check that no data is given by a form that leaves the decision to its owners.

    Raises:
        InputError: there is such data.
    """
    bound = [licence.data for licence in loaded.record.known_licences if licence.id == SIGNED_FORM[0]]
    if bound:
        raise InputError(
            f"{checkpoint} was trained on {' and '.join(bound)}, given for research by a signed form: whether its "
            "weights may be published is for the owners to say; if they allow it, add --consent"
        )


def _upload(file: Path, card: str, model: str, private: bool) -> str:
    """Upload weights and card in one commit; return the model's page."""
    hub = import_hub("publishing needs")
    if silence := unreachable():
        raise InputError(f"cannot reach {endpoint()}: {silence}; check the connection")
    api = hub.HfApi(endpoint=endpoint())
    with hub_errors(hub, model, None, "check the name and the connection"):
        page = api.create_repo(model, private=private or None, exist_ok=True)
        operations = [
            hub.CommitOperationAdd(WEIGHTS_FILE, file),
            hub.CommitOperationAdd(CARD_FILE, card.encode()),
        ]
        api.create_commit(model, operations, commit_message=f"Upload {file.name} with ifdd push")
    return str(page)
