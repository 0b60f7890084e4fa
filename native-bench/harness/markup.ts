/** HTML in which every text is escaped, unless it says that it is markup already. Pure. */

/** Markup: what is not to be escaped once more. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Content = string | number | Markup | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

/** A template: what stands in `${}` is escaped, in texts and in quoted attributes alike. */
export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  let text = strings[0]!;
  for (const [i, content] of contents.entries()) text += written(content) + strings[i + 1]!;
  return new Markup(text);
}

function written(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string' || typeof content === 'number') return escapeText(String(content));
  return content.map(written).join('');
}
