// The form with which a person corrects or comments a segment.

import { send } from "./api.js";
import { $, attempt, clock, complain, el, say } from "./dom.js";

export class CorrectionForm {
  constructor(onSaved) {
    this.onSaved = onSaved;
    $("correction").addEventListener("submit", (event) => {
      event.preventDefault();
      const comment = $("comment").value.trim();
      const label = $("corrected").value;
      this.save(label === this.segment.label ? null : label, comment || null, "Saved");
    });
    $("undo").addEventListener("click", () => this.save(null, null, "Removed"));
  }

  load(result) {
    this.result = result;
    $("corrected").replaceChildren(...result.labels.map((label) => el("option", { value: label }, label)));
    const { corrections_file: file, is_kept: isKept } = result.view;
    $("correction-place").textContent = isKept
      ? `Corrections are saved beside the results, in ${file}; the results stay unchanged.`
      : "The results and their corrections are deleted when the program ends; download the corrections.";
    this.choose(null);
  }

  choose(segment) {
    this.segment = segment;
    for (const id of ["corrected", "comment", "save"]) $(id).disabled = !segment;
    $("undo").disabled = !segment?.correction;
    $("corrected").value = segment ? segment.correction?.corrected ?? segment.label : "";
    $("comment").value = segment?.correction?.comment ?? "";
    $("correction-segment").textContent = segment
      ? `Person ${segment.track}, ${clock(segment.start_seconds)} to ${clock(segment.end_seconds)}: ${segment.label}`
      : "Choose a segment.";
  }

  save(corrected, comment, word) {
    const { segment, result } = this;
    const { track, start_seconds, end_seconds, label } = segment;
    return attempt(async () => {
      const body = { track, start_seconds, end_seconds, label };
      if (corrected !== null) body.corrected = corrected;
      if (comment !== null) body.comment = comment;
      const corrections = await send(`/api/results/${result.view.id}/corrections`, body, "PUT");
      complain("");
      result.setCorrections(corrections);
      say(`${word}: ${result.view.corrections_file}.`);
      if (this.segment === segment) this.choose(segment);
      this.onSaved(segment);
    });
  }
}
