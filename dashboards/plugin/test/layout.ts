/** What is wrong with the layout of a board that is shown; runs inside the page, so it holds all that it needs. */
export function layoutFaults({ isPhone, mayBeEmpty }: { isPhone: boolean; mayBeEmpty: readonly string[] }): string[] {
  const FEWEST_WHOLE_COLUMNS = 3
  const SMALLEST_NUMBER_PX = 24
  const SMALLEST_PLOT_PX = 80
  const faults: string[] = []
  const isCut = (element: Element) => element.scrollWidth > element.clientWidth + 1
  const hasCutText = (element: Element) => {
    const text = document.createRange()
    text.selectNodeContents(element)
    const [inner, outer] = [text.getBoundingClientRect(), element.getBoundingClientRect()]
    return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1
  }
  const all = (from: Element, selector: string) => [...from.querySelectorAll<HTMLElement>(selector)]

  if (document.documentElement.scrollWidth > window.innerWidth) faults.push('the page can be scrolled sideways')
  for (const panel of all(document.body, '[data-panel]')) {
    const say = (fault: string) => faults.push(`${panel.dataset.panel}: ${fault}`)
    const box = panel.getBoundingClientRect()
    if (box.right > window.innerWidth) say('it leaves the screen')
    if (panel.dataset.kind === 'row') {
      if (panel.scrollWidth > panel.clientWidth) say('its heading is cut')
      continue
    }
    const title = all(panel, 'h2, h6').find(({ textContent }) => textContent === panel.dataset.panel)
    if (!title) say('it has no title')
    else if (isCut(title)) say('its title is cut')
    if (panel.querySelector('[data-testid="data-testid Panel status error"]')) say('it shows an error')
    const isEmpty = panel.querySelector('[data-empty]') !== null
    if (isEmpty !== mayBeEmpty.includes(panel.dataset.panel!)) say(isEmpty ? 'it is empty' : 'it is no longer empty')
    for (const text of all(panel, '[data-scrolls]'))
      if (text.scrollHeight > text.clientHeight || isCut(text)) say('its text must be scrolled')
    if (panel.dataset.kind === 'stat') checkNumber(panel, say)
    if (panel.dataset.kind === 'table' && !isEmpty) checkTable(panel, say)
    if ((panel.dataset.kind === 'timeseries' || panel.dataset.kind === 'state-timeline') && !isEmpty)
      checkPlot(panel, say)
  }
  return faults

  function checkNumber(panel: HTMLElement, say: (fault: string) => void): void {
    const [value] = all(panel, 'span').filter(
      ({ children, textContent }) => children.length === 0 && textContent !== '',
    )
    const size = value ? Number.parseFloat(getComputedStyle(value).fontSize) : 0
    if (size < SMALLEST_NUMBER_PX) say(`its number is ${size} px high`)
  }

  function checkTable(panel: HTMLElement, say: (fault: string) => void): void {
    const grid = panel.querySelector<HTMLElement>('[role=grid]')
    const cells = all(panel, '[role=gridcell]')
    if (!grid || cells.length === 0) return void say('it has no cells')
    const right = grid.getBoundingClientRect().left + grid.clientWidth + 1
    const headers = all(grid, '[role=columnheader]')
    const whole = headers.filter((header) => header.getBoundingClientRect().right <= right)
    if (isCut(grid) && !isPhone) say(`its columns are ${grid.scrollWidth - grid.clientWidth} px too wide`)
    if (isCut(grid) && whole.length < FEWEST_WHOLE_COLUMNS) say(`only ${whole.length} of its columns are whole`)
    if (isCut(grid) && getComputedStyle(headers[0]!).position !== 'sticky')
      say('its first column goes when it is swiped')
    for (const header of whole) if (hasCutText(header)) say(`the header ${header.textContent} is cut`)
    for (const cell of cells) {
      if (cell.getBoundingClientRect().right <= right && hasCutText(cell)) say(`the cell ${cell.textContent} is cut`)
      if (cell.scrollHeight > cell.clientHeight + 1) say(`the cell ${cell.textContent} is taller than its row`)
    }
  }

  function checkPlot(panel: HTMLElement, say: (fault: string) => void): void {
    const plot = panel.querySelector('.u-over')?.getBoundingClientRect()
    if (!plot) return void say('it has no plot')
    if (plot.height < SMALLEST_PLOT_PX) say(`its plot is ${Math.round(plot.height)} px high`)
    if (plot.width < panel.clientWidth / 2) say('its axis takes more than its plot')
  }
}
