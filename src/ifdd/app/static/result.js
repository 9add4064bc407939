// The results of one video: what the server sent, indexed by time.

export const UNCERTAIN = "uncertain";

export class Result {
  constructor(document, view) {
    this.document = document;
    this.view = view;
    this.video = document.video;
    this.classes = document.model.classes;
    this.labels = [...this.classes, UNCERTAIN];
    this.tracks = document.tracks;
    this.duration = document.video.duration_seconds;
    this.segments = document.tracks
      .flatMap((track) => track.segments.map((segment) => ({ ...segment, track: track.id })))
      .sort((a, b) => a.start_seconds - b.start_seconds || a.track - b.track);
    this.segments.forEach((segment, index) => { segment.index = index; });
    this.setCorrections(view.corrections);
  }

  setCorrections(corrections) {
    const known = new Map(corrections.map((each) => [key(each), each]));
    for (const segment of this.segments) segment.correction = known.get(key(segment)) ?? null;
  }

  colour(label) {
    return this.view.colours[label] ?? this.view.colours[UNCERTAIN];
  }

  /** Return the label that counts: a person's, otherwise the model's. */
  static label(segment) {
    return segment.correction?.corrected ?? segment.label;
  }

  /** Return the people in a frame, at a time from the first frame: track, box and segment. */
  peopleAt(seconds) {
    const people = [];
    for (const track of this.tracks) {
      if (seconds < track.start_seconds - 1e-3 || seconds >= track.end_seconds + 1e-3) continue;
      const position = lastAtOrBefore(track.boxes.seconds, seconds + 1e-3);
      if (position < 0) continue;
      const segment = this.segments.find((each) => each.track === track.id
        && each.start_seconds <= seconds && seconds < each.end_seconds);
      people.push({ id: track.id, box: track.boxes.xyxy[position], detected: track.boxes.scores[position] > 0, segment });
    }
    return people;
  }
}

const key = (each) => `${each.track}:${each.start_seconds}:${each.end_seconds}`;

/** Return the last position whose value is not above a limit; -1 if there is none. */
export function lastAtOrBefore(sorted, limit) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
