import { styleText } from 'node:util';

export type Paint = (format: Parameters<typeof styleText>[0], text: string) => string;

/** Colours only where somebody looks: on a terminal, unless NO_COLOR is set (https://no-color.org). */
export function painter(output: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Paint {
  const colours = output.isTTY === true && (env['NO_COLOR'] ?? '') === '';
  return (format, text) => (colours ? styleText(format, text, { validateStream: false }) : text);
}
